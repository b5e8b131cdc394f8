# The GWM of a service of saspd's own ends and hangs: the last advice stays, and that is not well.
option managed
kernel is - - -
start
gwm says 40 q 20
kernel has 40 0 20
never 0 0 0
gwm dies
wait 60
kernel has 40 0 20
unhealthy
clients reach 1 3
kill
start
kernel has 40 0 20
gwm says 40 30 q
gwm starts
kernel has 40 30 0
clients reach 1 2
healthy
gwm says down down down
wait 30
kernel has 40 30 0
unhealthy
gwm says 10 30 20
kernel has 10 30 20
healthy
