// SPDX-License-Identifier: Apache-2.0
// The show of packaging/demo. It is the client: it opens real connections to the virtual address
// all the time, changes the GWM's advice from phase to phase, stops a server and starts it again,
// and compares who answered with the advice as it was written. Beside that it starts no process: in
// the guest each costs a tenth of a second.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>

#include "controller/base/address.hpp"
#include "controller/base/error.hpp"
#include "controller/base/exit_codes.hpp"
#include "controller/base/text.hpp"
#include "controller/net/control_client.hpp"
#include "controller/report/json.hpp"
#include "controller/report/saspd.hpp"
#include "packaging/show/scenario.hpp"
#include "packaging/show/traffic.hpp"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace saspd::show;
using saspd::Endpoint;
using saspd::fail;
using saspd::Result;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// --- What saspd says -------------------------------------------------------------------------

using saspd::report::Member;
using Members = std::array<Member, server_count>;

Result<Members> ask(const Arguments& arguments) {
  const auto answer =
      saspd::net::control_request(arguments.control, {{"command", "status"}}, 2000ms);
  if (!answer) return fail(answer.error());
  const auto status = saspd::report::from_json<saspd::report::Status>(*answer);
  Members members;
  for (const auto& group : status.groups) {
    if (group.name != arguments.group) continue;
    for (const auto& member : group.members) {
      for (std::size_t i = 0; i < server_count; ++i) {
        const auto& endpoint = arguments.servers.at(i).endpoint;
        if (member.address == endpoint.address.text() && member.port == endpoint.port)
          members.at(i) = member;
      }
    }
  }
  return members;
}

// Has the advice, as it was written, arrived, and the kernel followed it?
bool follows(const Member& member, const Advised& advised) {
  if (!member.advice || member.kernel_weight != member.effective_weight) return false;
  const auto& flags = member.advice->flags;
  switch (advised.kind) {
    case Advised::Kind::quiesce: return flags.quiesce;
    case Advised::Kind::down:
    case Advised::Kind::stopped: return !flags.contact;
    case Advised::Kind::weight: break;
  }
  return flags.contact && !flags.quiesce && member.advice->weight == advised.weight &&
         member.effective_weight > 0;  // not while its probe is still silent
}

std::bitset<server_count> is_stopped(const Phase& phase) {
  std::bitset<server_count> all;
  for (std::size_t i = 0; i < server_count; ++i)
    all[i] = phase.advice.at(i).kind == Advised::Kind::stopped;
  return all;
}

std::chrono::seconds limit_of(const Phase& phase) {
  return is_stopped(phase).any() ? detection_limit : follow_limit;
}

bool follow(const Members& members, const Phase& phase) {
  return std::equal(members.begin(), members.end(), phase.advice.begin(), follows);
}

// wrr's rounds begin with the heaviest server; only whole rounds have the shares of the weights.
std::size_t connections_to_count(Backend backend, const Members& members) {
  const auto min_connections = rule_of(backend).min_connections;
  if (backend == Backend::xdp) return min_connections;
  std::int64_t sum = 0;
  std::int64_t divisor = 0;
  for (const auto& member : members) {
    const std::int64_t weight = member.kernel_weight.value_or(0);
    sum += weight;
    divisor = std::gcd(divisor, weight);
  }
  if (divisor == 0 || sum < divisor) return min_connections;  // never the second; clang-tidy asks
  const auto round = static_cast<std::size_t>(sum / divisor);
  return round > min_connections ? 2 * min_connections
                                 : (min_connections + round - 1) / round * round;
}

// Between a share and the expected one, both in percent, in the unit of the rule.
double deviation(Backend backend, double share, double expected, std::size_t connections) {
  const double points = std::abs(share - expected);
  if (backend == Backend::ipvs || points == 0) return points;
  return points / std::sqrt(expected * (100 - expected) / static_cast<double>(connections));
}

// --- The advice ------------------------------------------------------------------------------

std::string advice_line(const Advised& advised) {
  return advised.kind == Advised::Kind::stopped ? fmt::format("{}", weight_of_stopped)
                                                : text(advised);
}

// Replaced in one step, so that the GWM never reads half of it.
Result<void> write_advice(const Arguments& arguments, const Phase& phase) {
  const std::string fresh = arguments.weights + ".new";
  std::ofstream file(fresh);
  for (std::size_t i = 0; i < server_count; ++i) {
    file << fmt::format("{} tcp:{} {}\n", arguments.group, arguments.servers.at(i).endpoint.text(),
                        advice_line(phase.advice.at(i)));
  }
  file.close();
  if (!file || std::rename(fresh.c_str(), arguments.weights.c_str()) != 0) {
    return fail(std::errc::io_error, "cannot write " + arguments.weights);
  }
  return {};
}

// --- The screen ------------------------------------------------------------------------------

// A block of lines, drawn over the one before where the output is a terminal.
class Screen {
 public:
  bool live() const { return live_; }

  void draw(const std::vector<std::string>& lines) {
    std::string out = height_ > 0 ? fmt::format("\r\x1b[{}A", height_) : std::string{};
    for (const auto& line : lines)
      out += live_ ? line.substr(0, columns()) + "\x1b[K\n" : line + "\n";
    fmt::print("{}", out);
    std::fflush(stdout);
    height_ = live_ ? lines.size() : 0;
  }

  // What comes next stands below.
  void keep() { height_ = 0; }

 private:
  // A line that the terminal breaks would spoil the next drawing.
  static std::size_t columns() {
    winsize size{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 80;
  }

  bool live_ = ::isatty(STDOUT_FILENO) == 1;
  std::size_t height_ = 0;
};

// nginx is stopped, or started, as an operator would; nobody waits for it.
Result<void> switch_server(const Arguments& arguments, std::string_view how, std::size_t server) {
  const auto command = fmt::format("'{}' {} '{}' '{}' >/dev/null 2>&1 &", arguments.farm, how,
                                   arguments.farm_name, arguments.servers.at(server).name);
  if (std::system(command.c_str()) != 0) return fail(std::errc::io_error, "cannot run " + command);
  return {};
}

struct Outcome {
  double follow_seconds = 0;  // from the new advice to the kernel
  std::size_t counted = 0;
  std::size_t failures = 0;   // counted or not, since the phase began
  std::size_t unnoticed = 0;  // of these, before the weight of a server that was stopped was 0
  double deviation = 0;       // the largest of the servers, in the unit of the rule
};

double seconds(SteadyClock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// --- The show --------------------------------------------------------------------------------

class Show {
 public:
  explicit Show(const Arguments& arguments) : arguments_(arguments), traffic_(io_, arguments) {}

  // The error is why the demo failed.
  Result<void> run() {
    Result<void> result;
    asio::co_spawn(
        io_, [this]() { return conduct(); },
        [&](const std::exception_ptr& exception, Result<void> conducted) {
          result = exception ? Result<void>(fail(std::errc::io_error, "unexpected exception"))
                             : std::move(conducted);
          io_.stop();
        });
    io_.run();
    summary();
    if (!result) return result;
    return verdict();
  }

 private:
  asio::awaitable<Result<void>> conduct() {
    traffic_.start();
    show_end_ = SteadyClock::now() + show_limit;
    for (const auto& phase : phases) {
      const auto done = co_await play(phase);
      if (!done) co_return done;
    }
    traffic_.stop();
    for (int i = 0; i < 100 && !traffic_.idle(); ++i)
      co_await sleep(100ms);
    co_return Result<void>{};
  }

  asio::awaitable<Result<void>> play(const Phase& phase) {
    const auto begin = SteadyClock::now();
    const std::size_t failures_before = traffic_.failures();
    const std::size_t refused_before = traffic_.refused();
    phase_ = &phase;
    traffic_.count(0);
    activity_ = "new advice";
    if (auto written = write_advice(arguments_, phase); !written) co_return written;
    if (auto switched = switch_servers(phase); !switched) co_return switched;

    while (true) {
      co_await sleep(redraw_every);
      look();
      if (follow(members_, phase)) break;
      if (past(begin + limit_of(phase))) co_return not_followed();
    }
    Outcome& outcome = outcomes_.emplace_back();
    outcome.follow_seconds = seconds(SteadyClock::now() - begin);
    if (is_stopped(phase).any()) outcome.unnoticed = traffic_.refused() - refused_before;

    activity_ = "counting";
    const auto count_begin = SteadyClock::now();
    outcome.counted = connections_to_count(arguments_.backend, members_);
    traffic_.count(outcome.counted);
    while (!traffic_.counted()) {
      co_await sleep(redraw_every);
      look();
      if (past(count_begin + count_limit)) {
        co_return fail(std::errc::timed_out, fmt::format("phase '{}': {} connections took too long",
                                                         phase.title, outcome.counted));
      }
    }
    if (!follow(members_, phase)) co_return not_followed();
    const auto expected = expected_shares(phase);
    for (std::size_t i = 0; i < server_count; ++i) {
      outcome.deviation = std::max(
          outcome.deviation,
          deviation(arguments_.backend, traffic_.share(i), expected.at(i), traffic_.answered()));
    }
    outcome.failures = traffic_.failures() - failures_before;
    activity_ = "done";
    screen_.draw(table());
    co_return Result<void>{};
  }

  Result<void> switch_servers(const Phase& phase) {
    const auto wanted = is_stopped(phase);
    for (std::size_t i = 0; i < server_count; ++i) {
      if (wanted[i] == stopped_[i]) continue;
      auto switched = switch_server(arguments_, wanted[i] ? "stop" : "start", i);
      if (!switched) return switched;
    }
    stopped_ = wanted;
    return {};
  }

  bool past(SteadyClock::time_point limit) const {
    return SteadyClock::now() > std::min(limit, show_end_);
  }

  asio::awaitable<void> sleep(SteadyClock::duration duration) {
    asio::steady_timer timer(io_, duration);
    co_await timer.async_wait(as_result);
  }

  void look() {
    auto answer = ask(arguments_);
    trouble_ = answer ? std::string{} : answer.error().detail;
    if (answer) members_ = *answer;
    if (screen_.live()) screen_.draw(table());
  }

  saspd::Error not_followed() {
    screen_.draw(table());
    return fail(std::errc::timed_out,
                fmt::format("phase '{}': the kernel did not follow within {} s{}{}", phase_->title,
                            limit_of(*phase_) / 1s, trouble_.empty() ? "" : ": ", trouble_));
  }

  std::vector<std::string> table() const {
    const auto expected = expected_shares(*phase_);
    std::vector<std::string> lines = {
        "",
        fmt::format("phase {} of {}: {}   {} connections in all, {} failed   {}",
                    phase_ - phases.data() + 1, phases.size(), phase_->title, traffic_.total(),
                    traffic_.failures(), activity_),
        "",
        "  server  address       advised  kernel  conns    share  expected  reason",
    };
    for (std::size_t i = 0; i < server_count; ++i) {
      const auto& server = arguments_.servers.at(i);
      const auto& member = members_.at(i);
      lines.push_back(
          fmt::format("  {:<6}  {:<12}  {:>7}  {:>6}  {:>5}  {:>5.1f} %  {:>6.1f} %  {}",
                      server.name, server.endpoint.text(), text(phase_->advice.at(i)),
                      member.kernel_weight ? fmt::format("{}", *member.kernel_weight) : "-",
                      traffic_.of(i), traffic_.share(i), expected.at(i), member.reason.text()));
    }
    return lines;
  }

  void summary() {
    screen_.keep();
    std::vector<std::string> lines = {
        "",
        "  phase           advised                  followed  conns  failed      off by",
    };
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
      const auto& outcome = outcomes_.at(i);
      lines.push_back(fmt::format("  {:<14}  {:<23}  {:>6.1f} s  {:>5}  {:>6}  {:>3.1f} {}",
                                  phases.at(i).title, text(phases.at(i).advice),
                                  outcome.follow_seconds, outcome.counted, outcome.failures,
                                  outcome.deviation, rule().short_unit));
    }
    lines.push_back(fmt::format("  {} connections in all, also while the advice changed; {} failed",
                                traffic_.total(), traffic_.failures()));
    if (unnoticed() > 0) {
      lines.push_back(fmt::format(
          "  {} of them to a server that was stopped, before sasp-gwm had noticed", unnoticed()));
    }
    lines.emplace_back();
    screen_.draw(lines);
  }

  Result<void> verdict() const {
    if (traffic_.failures() > unnoticed()) {
      return fail(std::errc::io_error,
                  fmt::format("{} connections failed that should not, first: {}",
                              traffic_.failures() - unnoticed(), traffic_.first_failure()));
    }
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
      if (outcomes_.at(i).deviation > rule().max_deviation) {
        return fail(std::errc::result_out_of_range,
                    fmt::format("phase '{}': a share is {:.1f} {} off, at most {:.1f} allowed",
                                phases.at(i).title, outcomes_.at(i).deviation, rule().unit,
                                rule().max_deviation));
      }
    }
    return {};
  }

  // Nobody can know that a server is gone before its probe does.
  std::size_t unnoticed() const {
    return std::accumulate(
        outcomes_.begin(), outcomes_.end(), std::size_t{0},
        [](std::size_t sum, const Outcome& outcome) { return sum + outcome.unnoticed; });
  }

  Rule rule() const { return rule_of(arguments_.backend); }

  asio::io_context io_;
  const Arguments& arguments_;
  Traffic traffic_;
  Screen screen_;
  SteadyClock::time_point show_end_;
  const Phase* phase_ = nullptr;
  std::bitset<server_count> stopped_;
  std::string_view activity_;
  Members members_;
  std::string trouble_;  // why saspd could not be asked last time
  std::vector<Outcome> outcomes_;
};

// --- The command line ------------------------------------------------------------------------

Result<Arguments> parse_arguments(std::span<char*> words) {
  const std::string_view backend = words.size() > 1 ? words[1] : "";
  if (words.size() != 8 + server_count || (backend != "ipvs" && backend != "xdp")) {
    return fail(
        std::errc::invalid_argument,
        "usage: demo-show ipvs|xdp VIP:PORT CONTROL_SOCKET WEIGHTS_FILE GROUP FARM FARM_NAME "
        "NAME=ADDR:PORT (4 times); started by packaging/demo");
  }
  Arguments arguments;
  arguments.backend = backend == "xdp" ? Backend::xdp : Backend::ipvs;
  const auto vip = Endpoint::parse(words[2]);
  if (!vip) return fail(vip.error());
  arguments.vip = {asio::ip::make_address(vip->address.text()), vip->port};
  arguments.control = words[3];
  arguments.weights = words[4];
  arguments.group = words[5];
  arguments.farm = words[6];
  arguments.farm_name = words[7];
  for (const std::string_view word : words.subspan(8)) {
    const auto equals = word.find('=');
    if (equals == std::string_view::npos) {
      return fail(std::errc::invalid_argument, fmt::format("'{}': expected NAME=ADDR:PORT", word));
    }
    const auto endpoint = Endpoint::parse(word.substr(equals + 1));
    if (!endpoint) return fail(endpoint.error());
    arguments.servers.push_back({std::string(word.substr(0, equals)), *endpoint});
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse_arguments({argv, static_cast<std::size_t>(argc)});
  if (!arguments) {
    fmt::print(stderr, "demo-show: {}\n", arguments.error().detail);
    return static_cast<int>(saspd::ExitCode::usage);
  }
  const auto shown = Show(*arguments).run();
  if (!shown) {
    fmt::print("demo: failed: {}\n", shown.error().detail);
    return 1;
  }
  fmt::print("demo: passed\n");
  return 0;
}
