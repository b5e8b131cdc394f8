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

# saspd_unit(UNIT [INSTANCE]): a template for network namespaces differs from its service in names only.
function(saspd_unit unit)
  set(file ${unit}.service)
  if("INSTANCE" IN_LIST ARGN)
    set(file ${unit}@.service)
    set(INSTANCE -%i)
    set(TEMPLATE @%i)
    set(OF_NAMESPACE ", in network namespace %i")
    set(PINS " --pins /sys/fs/bpf/saspd-%i")
    set(PLACES " --control /run/saspd-%i/control${PINS}")
    set(NAMESPACE "NetworkNamespacePath=/run/netns/%i\n")
  endif()
  configure_file(systemd/${unit}.service.in ${built}/systemd/${file} @ONLY)
  install(FILES ${built}/systemd/${file} DESTINATION ${SASPD_UNIT_DIR})
endfunction()

saspd_unit(saspd)
saspd_unit(saspd INSTANCE)
saspd_unit(saspd-xdp-attach)
saspd_unit(saspd-xdp-attach INSTANCE)
saspd_unit(sasp-gwm)
saspd_unit(sasp-member@)

foreach(service ${services})
  configure_file(systemd/${service}.default ${built}/systemd/default/${service} @ONLY)
  install(FILES ${built}/systemd/default/${service} DESTINATION ${SASPD_DEFAULTS_DIR})
  install(FILES systemd/${service}.sysusers DESTINATION lib/sysusers.d RENAME ${service}.conf)
endforeach()
install(FILES systemd/saspd.tmpfiles DESTINATION lib/tmpfiles.d RENAME saspd.conf)
install(FILES weights DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/sasp-gwm)

install(DIRECTORY man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(DIRECTORY ${built}/completion/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(DIRECTORY ${built}/completion/zsh/ DESTINATION ${SASPD_ZSH_COMPLETION_DIR})
