# YJIT: blocks that are compiled one by one when they are first reached.
def fib(n) n<2 ? n : fib(n-1)+fib(n-2) end
class P; attr_reader :x; def initialize(x) @x=x end; def +(o) P.new((@x*31+o.x)%1000003) end end
s=P.new(1); 300000.times{|i| s+=P.new(i)}
puts fib(25), s.x, (1..100000).map{|x| x.to_s.reverse.to_i%97}.sum, ("a".."zz").map{|w| w*3}.join.gsub(/b+/){|m| m.upcase}.size
