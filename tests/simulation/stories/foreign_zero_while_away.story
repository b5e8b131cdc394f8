# Set while saspd was away.
kernel is 40 30 20
start
gwm says 40 30 20
kernel has 40 30 20
stop
somebody sets 2 to 0
start
gwm says 50 35 25
kernel has 50 0 25
undrain 2
kernel has 50 35 25
