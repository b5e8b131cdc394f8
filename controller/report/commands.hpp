// SPDX-License-Identifier: Apache-2.0
// The commands of saspctl, a row each: what it takes, which program answers it and what right that
// needs. Parser, help, completion, dispatch and refusals come from here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace saspd::report {

enum class Program : std::uint8_t { saspd, sasp_gwm };
std::string_view name(Program program);  // as it is started: "sasp-gwm"

// What a program does about a command.
enum class Support : std::uint8_t {
  none,     // it is the other program's
  planned,  // not built yet
  reads,
  writes,  // for root, its own user and net::admin_group
};

struct Argument {
  std::string_view shown{};  // in the help: "[GROUP]" if it may be left out
  std::string_view key{};    // in the request

  bool is_optional() const { return shown.starts_with('['); }
};

// What a command takes.
struct Arguments {
  std::array<Argument, 2> each{};
  std::string_view needs{};  // the arguments in words, when there are too few
};
inline constexpr Arguments nothing{};
inline constexpr Arguments maybe_a_group{{{{"[GROUP]", "group"}}}, {}};
inline constexpr Arguments maybe_of{{{{"[GROUP|MEMBER]", "of"}}}, {}};
inline constexpr Arguments a_member{{{{"MEMBER", "member"}}},
                                    "a member: ADDR:PORT or GROUP/ADDR:PORT"};
inline constexpr Arguments member_and_weight{
    {{{"MEMBER", "member"}, {"WEIGHT", "weight"}}},
    "a member, ADDR:PORT or GROUP/ADDR:PORT, and its weight"};
inline constexpr Arguments a_gwm{{{{"HOST[:PORT]", "gwm"}}}, "a GWM of saspd: HOST or HOST:PORT"};
inline constexpr Arguments client_and_service{
    {{{"CLIENT", "source"}, {"SERVICE", "destination"}}},
    "the client's ADDR:PORT and the service, tcp:ADDR:PORT"};

// The table: X(enumerator, name, arguments, what saspd does about it, what sasp-gwm does, help), in
// the order of the help; without help: planned only, the rest of the documented face. To add one:
// its row here, its answer with SASPD_ANSWERS in saspd.hpp (or SASP_GWM_ANSWERS in gwm.hpp), and a
// case in the program's control.cpp. Its answer is shown key by key, unless ctl/render.hpp knows it.
#define SASPD_COMMANDS(X)                                                                           \
  X(status, "status", nothing, reads, reads,                                                        \
    "GWMs, groups and members with advice and weights (default)")                                   \
  X(gwm, "gwm", nothing, reads, none, "the GWMs alone")                                             \
  X(gwm_retry, "gwm retry", a_gwm, writes, none,                                                    \
    "connect to a GWM at once, without waiting for the next attempt. Needs root or the group "      \
    "saspd-admin")                                                                                  \
  X(lbs, "lbs", nothing, none, reads, "the load balancers of sasp-gwm")                             \
  X(groups, "groups", nothing, reads, reads, "the groups, one per line")                            \
  X(members, "members", maybe_a_group, reads, reads, "the members of each group, or of one")        \
  X(why, "why", a_member, reads, reads,                                                             \
    "why a member has its weight; MEMBER is ADDR:PORT or GROUP/ADDR:PORT, without :PORT if it has " \
    "none")                                                                                         \
  X(watch, "watch", nothing, reads, reads,                                                          \
    "the state, one line per item, and then one line per change, checked every second, until ^C")   \
  X(history, "history", maybe_of, reads, planned,                                                   \
    "what happened, oldest first: all, or what concerns a group or member. --since TIME, --limit "  \
    "N, -f to go on as it happens")                                                                 \
  X(plan, "plan", nothing, reads, none, "what saspd would write now, after reading the kernel")     \
  X(reconcile, "reconcile", nothing, writes, none,                                                  \
    "read the kernel at once and write what differs, without waiting for --reconcile-interval; "    \
    "exit code 1 if the kernel refused something")                                                  \
  X(drain, "drain", a_member, writes, writes,                                                       \
    "saspd gives the member no new connections, until --for or --until is over. sasp-gwm has "      \
    "every load balancer do so. Needs root or the group saspd-admin")                               \
  X(undrain, "undrain", a_member, writes, writes,                                                   \
    "ends that. saspd also returns a weight of 0 that another program wrote, or may have "          \
    "written, to the advice. Needs root or the group saspd-admin")                                  \
  X(set_weight, "set-weight", member_and_weight, writes, none,                                      \
    "saspd writes this weight instead of the advice, until --for or --until is over. Needs root "   \
    "or the group saspd-admin")                                                                     \
  X(hold, "hold", maybe_a_group, writes, none,                                                      \
    "saspd writes nothing of the group, or of all, until --for or --until is over; it still reads " \
    "and shows everything. Needs root or the group saspd-admin")                                    \
  X(release, "release", maybe_of, writes, none,                                                     \
    "ends a set-weight or drain of the member, the hold of the group, or the hold of all groups. "  \
    "Needs root or the group saspd-admin")                                                          \
  X(export_rules, "export", nothing, reads, none,                                                   \
    "the whole IPVS table as rules for ipvsadm -R, with the thresholds that ipvsadm -S leaves "     \
    "out; the weights are those in the kernel now")                                                 \
  X(trace, "trace", client_and_service, reads, none,                                                \
    "what happens to a packet from CLIENT, ADDR:PORT, to SERVICE, tcp:ADDR:PORT or "                \
    "udp:ADDR:PORT: slot, destination, next hop (--backend xdp)")                                   \
  X(reload, "reload", nothing, writes, writes,                                                      \
    "read the config file and all other files again, as SIGHUP does: everything is checked first, " \
    "and taken over as a whole or, with exit code 78, not at all. --dry-run only checks and shows " \
    "what would change. Needs root or the group saspd-admin")                                       \
  X(doctor, "doctor", nothing, planned, planned, "")                                                \
  X(decode, "decode", nothing, planned, planned, "")                                                \
  X(log_level, "log-level", nothing, planned, planned, "")

enum class Command : std::uint8_t {
#define SASPD_ENUMERATOR(command, name, arguments, saspd, gwm, help) command,
  SASPD_COMMANDS(SASPD_ENUMERATOR)
#undef SASPD_ENUMERATOR
};

struct CommandRow {
  Command command;
  std::string_view name;
  Arguments takes;
  std::array<Support, 2> support;  // of saspd, of sasp-gwm
  std::string_view help;

  Support of(Program program) const { return support.at(static_cast<std::size_t>(program)); }
  bool is_built() const;  // in one of the programs
  std::size_t min_arguments() const;
  std::size_t max_arguments() const;
  std::string usage() const;  // "why MEMBER"
};

std::span<const CommandRow> commands();
const CommandRow* find_command(std::string_view name);  // nullptr: there is none
const CommandRow& row_of(Command command);

// Why `program` does not do what the request names; nothing: it does.
std::optional<std::string> refusal(Program program, std::string_view command);
// Whether the command only looks. One that is not known counts as one that changes something.
bool only_reads(std::string_view command);

}  // namespace saspd::report
