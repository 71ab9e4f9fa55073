%% Erlang's JIT writes its code in one view of a memory file and runs it in another. Modules are compiled, loaded, replaced and purged
%% while processes run; breakpoints of a trace change code in place; processes send each other what they count.
-module(engine).
-export([main/0]).

main() ->
  io:format("modules ~p~n", [lists:sum([generation(N) || N <- lists:seq(1, 40)])]),
  io:format("traced ~p~n", [traced()]),
  io:format("ring ~p~n", [ring(200, 20000)]),
  io:format("parallel ~p~n", [parallel([24, 25, 26, 27])]),
  io:format("floats ~.6f~n", [harmonic(2000000, 0.0)]),
  io:format("caught ~p~n", [length([ok || N <- lists:seq(1, 20000), raises(N)])]),
  io:format("sorted ~p~n", [erlang:phash2(lists:sort([I * 7919 rem 100003 || I <- lists:seq(1, 100000)]))]),
  halt(0).

form(Text) ->
  {ok, Tokens, _} = erl_scan:string(lists:flatten(Text)),
  {ok, Form} = erl_parse:parse_form(Tokens),
  Form.

%% A new version of a module, called by a process that has run the version before.
generation(N) ->
  Forms = [
    form("-module(made)."),
    form("-export([f/1])."),
    form(io_lib:format("f(X) when X rem 2 =:= 0 -> X + ~p; f(X) -> g(X, ~p).", [N, N])),
    form("g(X, Y) -> X * Y - length(integer_to_list(X)).")
  ],
  {ok, made, Binary} = compile:forms(Forms),
  {module, made} = code:load_binary(made, "made", Binary),
  Sum = lists:sum([made:f(X) || X <- lists:seq(1, 1000)]),
  code:purge(made),
  Sum.

traced() ->
  erlang:trace(self(), true, [call, {tracer, spawn(fun Ignore() -> receive _ -> Ignore() end end)}]),
  Counts = [
    begin
      erlang:trace_pattern({made, '_', '_'}, true, [local]),
      X = made:f(N),
      erlang:trace_pattern({made, '_', '_'}, false, [local]),
      X + made:f(N)
    end
    || N <- lists:seq(1, 100)
  ],
  erlang:trace(self(), false, [call]),
  lists:sum(Counts).

%% A number goes round through all processes.
ring(Size, Rounds) ->
  Self = self(),
  First = lists:foldl(fun(_, Next) -> spawn(fun() -> pass(Next) end) end, Self, lists:seq(1, Size)),
  First ! 0,
  turn(First, Rounds div Size).

turn(_, 0) -> receive N -> N end;
turn(First, Left) -> receive N -> First ! N, turn(First, Left - 1) end.

pass(Next) -> receive N -> Next ! N + 1, pass(Next) end.

parallel(Numbers) ->
  Self = self(),
  Workers = [spawn(fun() -> Self ! {self(), fib(N)} end) || N <- Numbers],
  [receive {Worker, Value} -> Value end || Worker <- Workers].

fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).

harmonic(0, Sum) -> Sum;
harmonic(N, Sum) -> harmonic(N - 1, Sum + 1 / N).

raises(N) -> try 10 div (N rem 3) of _ -> false catch error:badarith -> true end.
