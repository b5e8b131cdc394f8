# The same after an orderly stop, and where the GWM has lifted it meanwhile.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
stop
gwm says 40 30 20
wait 5
start
kernel has 40 30 20
