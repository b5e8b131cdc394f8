# Killed at one call after another of an update, and always made good.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
kill at call 1
gwm says 30 30 q
kernel has 30 30 0
kill at call 2
gwm says 40 q 20
kernel has 40 0 20
kill at call 3
gwm says 30 30 q
kernel has 30 30 0
kill at call 4
gwm says 40 q 20
kernel has 40 0 20
kill at call 5
gwm says 30 30 q
kernel has 30 30 0
kill at call 6
gwm says 40 q 20
kernel has 40 0 20
kill at call 8
gwm says 30 30 q
kernel has 30 30 0
kill at call 10
gwm says 40 q 20
kernel has 40 0 20
