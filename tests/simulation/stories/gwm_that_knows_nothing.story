# A GWM that was restarted and knows nobody changes nothing.
kernel is 40 30
start
gwm says 40 q
kernel has 40 0
gwm dies forgetful
gwm says ? ?
gwm starts
wait 60
kernel has 40 0
