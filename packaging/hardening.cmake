# SPDX-License-Identifier: Apache-2.0
# Protections of the built programs, whatever the distribution's own defaults are: Debian 12's and those of an
# RPM built on it lack some. A flag that this compiler does not know is left out (GCC 11 has no
# auto-var-init); ctest check.hardening looks at what came out.
include(CheckCXXCompilerFlag)

function(saspd_harden target)
  set(flags
    -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
    -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr -fno-delete-null-pointer-checks)
  foreach(flag ${flags})
    string(MAKE_C_IDENTIFIER "SASPD_HAS${flag}" known)
    check_cxx_compiler_flag(${flag} ${known})
    if(${known})
      target_compile_options(${target} INTERFACE ${flag})
    endif()
  endforeach()
  # Without optimisation fortify does nothing but warn. A packager's own level gives way to ours.
  target_compile_options(${target} INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
  # A format that is not constant is an error everywhere, as Debian's own builds have it (blhc looks).
  target_compile_options(${target} INTERFACE -Wformat -Werror=format-security)
  target_compile_definitions(${target} INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(${target} INTERFACE
    LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack LINKER:-z,separate-code LINKER:-z,nodlopen)
endfunction()
