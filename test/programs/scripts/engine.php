<?php // The tracing JIT of opcache, and PCRE2's.
function work($n){$a=[];for($i=0;$i<$n;$i++){$k="k".($i*7919%1000);$a[$k]=($a[$k]??0)+$i%13;}ksort($a);$s=0;foreach($a as $k=>$v)$s=($s*31+$v+strlen($k))%1000003;return $s;}
function mandel(){$c=0;for($y=-39;$y<39;$y++)for($x=-39;$x<39;$x++){$cr=$y/40.0-0.5;$ci=$x/40.0;$zr=$zi=0;$i=0;while(++$i<200){$t=$zr*$zr-$zi*$zi+$cr;$zi=2*$zr*$zi+$ci;$zr=$t;if($zr*$zr+$zi*$zi>16)break;}$c+=$i;}return $c;}
$s=0;for($i=0;$i<30;$i++)$s+=work(20000);echo $s," ",mandel()+mandel(),"\n"; for($i=0;$i<200;$i++) preg_match_all('/(\w+)@(\w+)\.com/',str_repeat("joe@example.com, ",50),$m); echo count($m[0]),"\n";
