# A GWM that has forgotten most servers does not leave the load of all to those that it knows.
kernel is 40 30 20
start
gwm says 40 30 20
kernel has 40 30 20
gwm says 50 ? ?
kernel has 50 30 20
clients reach 1 2 3
kill
start
gwm says 50 ? ?
kernel has 50 30 20
