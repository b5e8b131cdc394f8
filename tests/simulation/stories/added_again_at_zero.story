# Somebody removes a server alone, and adds it again at 0: no matter that ours was 0 before.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
somebody removes 2
wait 12
somebody adds 2 with 0
wait 6
gwm says 40 30 20
kernel has 40 0 20
unhealthy
