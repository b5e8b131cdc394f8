# Without a GWM the last good advice stays, and that is not well.
kernel is 40 30 20
start
gwm says 10 q 30
kernel has 10 0 30
gwm dies
wait 100
kernel has 10 0 30
unhealthy
gwm starts
kernel has 10 0 30
