# fork, pipes, signals, regular expressions, sockets, eval with alarm.
use strict;
use warnings;
use Socket;
use Time::HiRes qw(ualarm);
$| = 1;

my %count;
$count{lc $1}++ while "The quick brown fox; the lazy dog. THE end" =~ /(\w+)/g;
print join(",", map { "$_=$count{$_}" } sort keys %count), "\n";
my $text = join " ", map { $_ * $_ } 1 .. 2000;
(my $copy = $text) =~ s/(\d)(\d)/$2$1/g;
print length($copy), " ", unpack("%32C*", $copy), "\n";

pipe(my $read, my $write) or die;
my @pids;
for my $n (1 .. 5) {
  my $pid = fork // die;
  if ($pid == 0) { close $read; syswrite $write, "child $n\n"; exit $n; }
  push @pids, $pid;
}
close $write;
print sort <$read>;
my $sum = 0;
for (@pids) { waitpid $_, 0; $sum += $? >> 8; }
print "sum $sum\n";

my @seen;
$SIG{USR1} = sub { push @seen, "USR1" };
$SIG{CHLD} = sub { push @seen, "CHLD"; };
kill USR1 => $$;
my $pid = fork // die;
if ($pid == 0) { exit 0 }
select undef, undef, undef, 0.001 while !grep { $_ eq "CHLD" } @seen;
waitpid $pid, 0;
$SIG{CHLD} = "DEFAULT";
print "@seen\n";

my $result = eval { local $SIG{ALRM} = sub { die "alarm\n" }; ualarm 20000; select undef, undef, undef, 0.05 while 1; 1 };
print "eval: $@";
print "backticks: ", `echo from shell; exit 3`, "status ", $? >> 8, "\n";
open my $sorter, "|-", "sort -n | tail -n 2" or die;
print $sorter "$_\n" for 30, 4, 17;
close $sorter;
socketpair(my $left, my $right, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
syswrite $left, "over a socket\n";
sysread $right, my $got, 100;
print $got;
system { "/bin/sh" } "renamed", "-c", 'echo "$0"';
printf "%.10f %s\n", atan2(1, 1) * 4, join ",", sort { $b <=> $a } 3, 11, 2;
exec "/bin/sh", "-c", "exit 4";
