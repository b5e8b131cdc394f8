# The second GWM is followed while the first one is gone.
option gwms=2
kernel is 40 30
start
gwm says 40 30
kernel has 40 30
gwm 1 dies
gwm 2 says 40 q
kernel has 40 0
