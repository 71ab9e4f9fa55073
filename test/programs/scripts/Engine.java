// HotSpot: C1 and C2, code that is thrown away again, implicit null checks, safepoints, four threads.
import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class Engine {
  static long work(int seed, int n) { Random r = new Random(seed); long h = 0;
    for (int i = 0; i < n; i++) { List<String> l = new ArrayList<>(); for (int k = 0; k < 200; k++) l.add("k" + r.nextInt(1000));
      Map<String, Integer> m = new TreeMap<>(); for (String s : l) m.merge(s, s.length(), Integer::sum);
      h = h * 31 + m.entrySet().stream().map(e -> e.getKey() + e.getValue()).collect(Collectors.joining(",")).hashCode();
      Object[] os = {i, "s" + i, 2.5 * i, new int[i % 10]}; for (Object o : os) h += o instanceof Integer ? (Integer) o : o instanceof String ? ((String) o).length() : o instanceof Double ? ((Double) o).longValue() : ((int[]) o).length;
      try { String z = i % 97 == 0 ? null : "a"; h += z.length(); } catch (NullPointerException e) { h += 7; }
    } return h; }
  public static void main(String[] a) throws Exception {
    int n = a.length > 0 ? Integer.parseInt(a[0]) : 1500;
    ExecutorService e = Executors.newFixedThreadPool(4); List<Future<Long>> f = new ArrayList<>();
    for (int i = 0; i < 8; i++) { final int s = i; f.add(e.submit(() -> work(s, n))); }
    for (Future<Long> x : f) System.out.println(x.get()); e.shutdown(); System.gc(); System.out.println("done");
  } }
