# PyPy: loops and their bridges, generators, classes whose attributes change.
import re
class Point:
    def __init__(self, x): self.x = x
    def add(self, other): return Point((self.x * 31 + other.x) % 1000003)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def squares(n):
    for i in range(n): yield i * i % 97
point = Point(1)
for i in range(200000): point = point.add(Point(i) if i % 3 else Point(-i))
print(fib(22), point.x, sum(squares(300000)))
print(len(re.sub(r"(a|b)+c?", lambda m: m.group(0).upper(), "abcab" * 5000)), sorted(str(i * 7919 % 10007) for i in range(5000))[77])
