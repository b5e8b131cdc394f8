# Somebody writes other attributes, and so the weight, where our zero is: whose it is is not clear.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
somebody edits 2
wait 6
unhealthy
gwm says 40 30 20
kernel has 40 0 20
undrain 2
kernel has 40 30 20
