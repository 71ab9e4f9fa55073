using System;
using System.Collections.Generic;
using System.Linq;
using System.Linq.Expressions;
using System.Reflection.Emit;
using System.Threading;

// Mono's compiler: methods made at run time and dropped, generics, exceptions, threads that compile at once, delegates to native code.
static class Engine {
  static int Fib(int n) { return n < 2 ? n : Fib(n - 1) + Fib(n - 2); }

  static Func<int, int> Make(int constant) {
    var method = new DynamicMethod("made", typeof(int), new[] { typeof(int) });
    var code = method.GetILGenerator();
    code.Emit(OpCodes.Ldarg_0);
    code.Emit(OpCodes.Ldc_I4, constant);
    code.Emit(OpCodes.Add);
    code.EmitCall(OpCodes.Call, typeof(Math).GetMethod("Abs", new[] { typeof(int) }), null);
    code.Emit(OpCodes.Ret);
    return (Func<int, int>)method.CreateDelegate(typeof(Func<int, int>));
  }

  static long Methods(int count) {
    long sum = 0;
    for (int i = 0; i < count; i++) {
      sum += Make(-i)(i / 2);
      if (i % 500 == 0) GC.Collect();
    }
    return sum;
  }

  static long Trees(int count) {
    long sum = 0;
    for (int i = 0; i < count; i++) {
      var x = Expression.Parameter(typeof(int));
      sum += Expression.Lambda<Func<int, int>>(Expression.Add(Expression.Multiply(x, Expression.Constant(i)), x), x).Compile()(3);
    }
    return sum;
  }

  static int Raises(int n) {
    try { return 10 / (n % 3); } catch (DivideByZeroException) { return 0; }
  }

  static T Largest<T>(IEnumerable<T> items) where T : IComparable<T> {
    return items.Aggregate((a, b) => a.CompareTo(b) > 0 ? a : b);
  }

  static void Main() {
    Console.WriteLine("fib " + Fib(27));
    Console.WriteLine("methods " + Methods(2000));
    Console.WriteLine("trees " + Trees(300));
    Console.WriteLine("caught " + Enumerable.Range(0, 20000).Sum(Raises));
    Console.WriteLine("largest " + Largest(new[] { 3, 9, 4 }) + " " + Largest(new[] { "a", "c", "b" }) + " " + Largest(new[] { 1.5, 2.5 }));
    var sums = new long[4];
    var threads = Enumerable.Range(0, 4).Select(i => new Thread(() => sums[i] = Methods(500) + Trees(50))).ToList();
    threads.ForEach(thread => thread.Start());
    threads.ForEach(thread => thread.Join());
    Console.WriteLine("threads " + string.Join(" ", sums));
    Console.WriteLine("sorted " + Enumerable.Range(0, 200000).Select(i => (i * 7919L) % 100003).OrderBy(v => v).Skip(1000).First());
  }
}
