# What a restarted sasp-gwm says of whom it quiesces is what it said before.
kernel is 40 30 20
start
gwm says 40 q 20
kernel has 40 0 20
gwm dies
gwm starts
wait 60
kernel has 40 0 20
