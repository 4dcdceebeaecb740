%% The workloads between two nodes in Erlang: the same messages, numbers and slices as in the files beside this one.
%% It is its own port mapper: register_node keeps the port of this node, address_please has that of the other one.
-module(odeon_compare_remote).
-export([serve/0, ask/1, ask64/1, tell/2, bulk/2]).
-export([start_link/0, register_node/2, register_node/3, address_please/3, listen_port_please/2]).

-define(SERVER, 'compare_b@127.0.0.1').
-define(CLIENT, 'compare_a@127.0.0.1').
-define(SLICE_MS, 150).
-define(OPERATIONS_MAX, 67108864).

start_link() -> ignore.
listen_port_please(_, _) -> {ok, 0}.
register_node(Name, Port) -> register_node(Name, Port, inet).
register_node(_, Port, _) -> persistent_term:put(odeon_port, Port), {ok, 1}.
address_please(_, _, _) -> {ok, {127, 0, 0, 1}, persistent_term:get(odeon_peer), 6}.

%% Prints its port, and serves until its input ends.
serve() ->
    {ok, _} = net_kernel:start([?SERVER, longnames]),
    register(sink, spawn(fun() -> sink(0, 0) end)),
    io:format("~w~n", [persistent_term:get(odeon_port)]),
    eof = io:get_line("").

sink(Messages, Sum) ->
    receive
        {tell, N, _} -> sink(Messages + 1, Sum + N);
        {ask, From, Ref, Bytes} -> From ! {Ref, Bytes}, sink(Messages, Sum);
        {received, From, Ref} -> From ! {Ref, Messages, Sum}, sink(0, 0);
        {who, From} -> From ! {sink, self()}, sink(Messages, Sum)
    end.

connect(Port) ->
    persistent_term:put(odeon_peer, Port),
    {ok, _} = net_kernel:start([?CLIENT, longnames]),
    true = net_kernel:connect_node(?SERVER),
    {sink, ?SERVER} ! {who, self()},
    receive {sink, Sink} -> Sink after 10000 -> exit(no_sink) end.

ask(Port) ->
    Sink = connect(Port),
    Bytes = binary:copy(<<7>>, 64),
    Asks = grown(16, fun(N) -> asks(Sink, Bytes, N, []) end),
    Spans = lists:append([asks(Sink, Bytes, Asks, []) || _ <- lists:seq(1, 5)]),
    Median = lists:nth(length(Spans) div 2 + 1, lists:sort(Spans)),
    io:format("~.3f~n", [Median / 1000]).

asks(_, _, 0, Spans) -> Spans;
asks(Sink, Bytes, N, Spans) ->
    Began = erlang:monotonic_time(nanosecond),
    Ref = make_ref(),
    Sink ! {ask, self(), Ref, Bytes},
    receive {Ref, Bytes} -> ok end,
    asks(Sink, Bytes, N - 1, [erlang:monotonic_time(nanosecond) - Began | Spans]).

ask64(Port) ->
    Sink = connect(Port),
    Bytes = binary:copy(<<7>>, 64),
    P = self(),
    Run = fun(N) ->
        [spawn_link(fun() -> asks(Sink, Bytes, N div 64, []), P ! asked end) || _ <- lists:seq(1, 64)],
        [receive asked -> ok end || _ <- lists:seq(1, 64)]
    end,
    io:format("~.3f~n", [rate(64, Run)]).

tell(Port, Size) -> io:format("~.3f~n", [told(Port, Size)]).
bulk(Port, Size) -> io:format("~.3f~n", [told(Port, Size) * Size / 1.0e6]).

told(Port, Size) ->
    Sink = connect(Port),
    Bytes = binary:copy(<<7>>, Size),
    Run = fun(N) ->
        tells(Sink, Bytes, 0, N),
        Ref = make_ref(),
        Sink ! {received, self(), Ref},
        Sum = N * (N - 1) div 2,
        receive {Ref, N, Sum} -> ok; {Ref, _, _} -> exit(lost) end
    end,
    rate(16, Run).

tells(_, _, N, N) -> ok;
tells(Sink, Bytes, I, N) -> Sink ! {tell, I, Bytes}, tells(Sink, Bytes, I + 1, N).

%% The median of the rates of five slices.
rate(Least, Run) ->
    N = grown(Least, Run),
    Rates = [begin
        Began = erlang:monotonic_time(nanosecond),
        Run(N),
        N * 1.0e9 / (erlang:monotonic_time(nanosecond) - Began)
    end || _ <- lists:seq(1, 5)],
    lists:nth(3, lists:sort(Rates)).

%% Doubles the operations of a slice until it takes long enough.
grown(N, Run) ->
    Began = erlang:monotonic_time(millisecond),
    Run(N),
    case erlang:monotonic_time(millisecond) - Began >= ?SLICE_MS orelse N >= ?OPERATIONS_MAX of
        true -> N;
        false -> grown(N * 2, Run)
    end.
