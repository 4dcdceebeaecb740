%% The workloads in Erlang: the same messages, numbers and slices as in the files of workload/.
-module(odeon_compare).
-export([main/1]).

main(Workload) -> io:format("~.3f~n", [run(Workload)]).

run(tell) -> to_one(20, 51200, 256);
run(backlog) -> to_one(1, 1000000, infinity);
run(ask) ->
    C = counter(infinity),
    slices(20, 10000, fun() -> ask(C, 10000) end);
run(ask_from_actor) ->
    C = counter(infinity),
    Asker = spawn(fun() -> asker(C) end),
    slices(20, 10000, fun() -> Asker ! {let_ask, self(), 10000}, receive asked -> ok end end);
run(ask64) ->
    C = counter(infinity),
    P = self(),
    slices(10, 32000, fun() ->
        [spawn(fun() -> ask(C, 500), P ! asked end) || _ <- lists:seq(1, 64)],
        [receive asked -> ok end || _ <- lists:seq(1, 64)]
    end);
run(ring) ->
    P = self(),
    Links = [spawn(fun() -> receive {next, Next} -> link_up(P, Next) end end) || _ <- lists:seq(1, 1000)],
    [First | Rest] = Links,
    [L ! {next, N} || {L, N} <- lists:zip(Links, Rest ++ [First])],
    slices(20, 50000, fun() -> First ! {hops, 50000}, receive gate -> ok end end);
run(spawn) ->
    put(kept, []),
    slices(20, 5000, fun() ->
        Cs = spawn_some(5000, []),
        ask(hd(Cs), 1),
        put(kept, [Cs | get(kept)])
    end);
run(bytes_per_actor) ->
    ask(counter(infinity), 1),
    erlang:garbage_collect(),
    Before = resident(),
    Cs = spawn_some(100000, []),
    ask(hd(Cs), 1),
    After = resident(),
    ask(lists:last(Cs), 1),
    (After - Before) / 100000;
run(fanout) ->
    Cs = [counter(20) || _ <- lists:seq(1, 10000)],
    slices(5, 200000, fun() ->
        [begin [C ! {add, R} || C <- Cs], erlang:yield() end || R <- lists:seq(1, 20)],
        [receive gate -> ok end || _ <- Cs]
    end).

%% The median of the slices after the first, in nanoseconds an operation.
slices(Count, Operations, Slice) ->
    Slice(),
    Spans = lists:sort([begin
        Began = erlang:monotonic_time(nanosecond),
        Slice(),
        erlang:monotonic_time(nanosecond) - Began
    end || _ <- lists:seq(1, Count)]),
    lists:nth(Count div 2 + 1, Spans) / Operations.

to_one(Count, Tells, Burst) ->
    C = counter(Tells),
    slices(Count, Tells, fun() -> flood(C, 1, Tells, Burst), receive gate -> ok end end).

flood(_, I, N, _) when I > N -> ok;
flood(C, I, N, Burst) ->
    C ! {add, I},
    case Burst of
        infinity -> ok;
        _ when I rem Burst =:= 0 -> erlang:yield();
        _ -> ok
    end,
    flood(C, I + 1, N, Burst).

spawn_some(0, Cs) -> Cs;
spawn_some(N, Cs) -> spawn_some(N - 1, [counter(infinity) | Cs]).

counter(Every) ->
    P = self(),
    spawn(fun() -> count(P, Every, Every, 0) end).

%% `Left` is a number of tells, or the atom infinity for a counter that passes no gate.
count(P, Every, Left, Sum) ->
    receive
        {add, V} when Left =:= 1 -> P ! gate, count(P, Every, Every, Sum + V);
        {add, V} when Left =:= infinity -> count(P, Every, Left, Sum + V);
        {add, V} -> count(P, Every, Left - 1, Sum + V);
        {read, From, Ref, V} -> From ! {Ref, Sum + V}, count(P, Every, Left, Sum)
    end.

ask(_, 0) -> ok;
ask(C, N) ->
    Ref = make_ref(),
    C ! {read, self(), Ref, N},
    receive {Ref, N} -> ok end,
    ask(C, N - 1).

asker(C) ->
    receive {let_ask, From, N} -> ask(C, N), From ! asked end,
    asker(C).

link_up(P, Next) ->
    receive
        {hops, 0} -> P ! gate;
        {hops, N} -> Next ! {hops, N - 1}
    end,
    link_up(P, Next).

resident() ->
    {ok, Table} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = binary:split(Table, <<" ">>, [global]),
    binary_to_integer(Pages) * 4096.
