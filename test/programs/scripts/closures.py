# libffi: closures are written to memory of their own, and run.
import ctypes
libc = ctypes.CDLL(None)
compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
for direction in (1, -1):
    numbers = (ctypes.c_int * 500)(*(i * 7919 % 503 for i in range(500)))
    libc.qsort(numbers, 500, 4, compare_type(lambda a, b: (a[0] - b[0]) * direction))
    print(list(numbers[:5]), list(numbers[-5:]))
kept = [ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long)(lambda n, i=i: n * i) for i in range(2000)]
print(sum(f(3) for f in kept))
