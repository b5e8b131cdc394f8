# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where. Packages choose other places by these variables and those of
# GNUInstallDirs; the lists of packaging/debian and packaging/rpm say what belongs to which package.
include(GNUInstallDirs)

pkg_get_variable(units_of_systemd systemd systemdsystemunitdir)
if(NOT units_of_systemd OR NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(units_of_systemd lib/systemd/system)
endif()
set(SASPD_UNIT_DIR ${units_of_systemd} CACHE STRING "Where systemd units are installed")
set(SASPD_DEFAULTS_DIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/default
    CACHE STRING "Where the services' flags stand: /etc/default of Debian, /etc/sysconfig of Fedora")
set(SASPD_ZSH_COMPLETION_DIR ${CMAKE_INSTALL_DATADIR}/zsh/site-functions
    CACHE STRING "Where completions of zsh are installed: Debian's looks in zsh/vendor-completions")

# Programs that serve stand in sbin, those of operators in bin.
set(services saspd sasp-gwm)
install(TARGETS ${services} sasp-member RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS saspctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(built ${CMAKE_CURRENT_BINARY_DIR})

# saspd_unit(UNIT [TYPE TYPE] [WHERE VARIABLE] [INSTANCE]): a service (unless TYPE says path) is skipped where VARIABLE, its flags, is empty. Its template for
# network namespaces differs in names, and is never skipped: where the namespace is not there yet the condition's own
# start fails, which systemd takes for a reason to skip it, and not to try again. With + only the test itself counts.
function(saspd_unit unit)
  set(type service)
  cmake_parse_arguments(PARSE_ARGV 1 arg INSTANCE "WHERE;TYPE" "")
  if(arg_TYPE)
    set(type ${arg_TYPE})
  endif()
  set(file ${unit}.${type})
  if(arg_WHERE)
    set(CONDITION "# Without flags it is skipped, not failed.\nExecCondition=+/bin/sh -c 'test -n \"$${arg_WHERE}\"'\n")
  endif()
  if(arg_INSTANCE)
    set(file ${unit}@.${type})
    set(INSTANCE -%i)
    set(TEMPLATE @%i)
    set(OF_NAMESPACE ", in network namespace %i")
    set(PINS " --pins /sys/fs/bpf/saspd-%i")
    set(PLACES " --control /run/saspd-%i/control --ledger /var/lib/saspd-%i/ledger${PINS}")
    set(NAMESPACE "NetworkNamespacePath=/run/netns/%i\n")
  endif()
  configure_file(systemd/${unit}.${type}.in ${built}/systemd/${file} @ONLY)
  install(FILES ${built}/systemd/${file} DESTINATION ${SASPD_UNIT_DIR})
endfunction()

saspd_unit(saspd WHERE SASPD_OPTIONS)
saspd_unit(saspd INSTANCE)
saspd_unit(saspd-xdp-attach WHERE SASPD_ATTACH_OPTIONS)
saspd_unit(saspd-xdp-attach INSTANCE)
foreach(type service path)
  saspd_unit(saspd-xdp-reattach TYPE ${type})
  saspd_unit(saspd-xdp-reattach TYPE ${type} INSTANCE)
endforeach()
saspd_unit(sasp-gwm)
saspd_unit(sasp-member@)

# What the operator writes to is never written over.
function(saspd_configuration file folder)
  cmake_path(GET file FILENAME name)
  install(CODE "
    if(EXISTS \"\$ENV{DESTDIR}${folder}/${name}\")
      message(STATUS \"Kept: \$ENV{DESTDIR}${folder}/${name}\")
    else()
      file(INSTALL \"${file}\" DESTINATION \"${folder}\")
    endif()")
endfunction()

foreach(service ${services})
  configure_file(systemd/${service}.default ${built}/systemd/default/${service} @ONLY)
  saspd_configuration(${built}/systemd/default/${service} ${SASPD_DEFAULTS_DIR})
endforeach()
saspd_configuration(${CMAKE_CURRENT_SOURCE_DIR}/weights ${CMAKE_INSTALL_FULL_SYSCONFDIR}/sasp-gwm)
foreach(program ${services} sasp-member)
  install(FILES systemd/${program}.sysusers DESTINATION lib/sysusers.d RENAME ${program}.conf)
endforeach()
foreach(program saspd sasp-member)
  install(FILES systemd/${program}.tmpfiles DESTINATION lib/tmpfiles.d RENAME ${program}.conf)
endforeach()

install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(DIRECTORY ${built}/completion/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(DIRECTORY ${built}/completion/zsh/ DESTINATION ${SASPD_ZSH_COMPLETION_DIR})
