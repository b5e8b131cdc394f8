# The machine boots with the rules that it had: our zero is ours.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
reboot
start
gwm says 40 30 20
kernel has 40 30 20
