# A GWM that refuses Get Weights for ever is seen.
option interval=10
kernel is 40 30
start
gwm says 40 q
kernel has 40 0
gwm refuses
gwm says 40 30
wait 300
unhealthy
gwm answers
kernel has 40 30
healthy
