// SPDX-License-Identifier: Apache-2.0
// The frame of a process, of all programs and from outside: which event ends it with which exit
// code, what it says, what a service manager hears, and what is left behind. A row holds for the
// program that it names; where a program differs from the others for no good reason, `why` says so.

// GCC 12 sees uninitialised members in its own <regex> when it builds with sanitizers.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <array>
#include <cstdint>

#include "tests/conformance/host/scene.hpp"

namespace saspd::test {
namespace {

std::unique_ptr<Machine> machine;

// A descriptor that a shell can name, and that nothing else of this program gets.
constexpr int named_by_shell = 9;
void reserve_it() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null == named_by_shell) return;
  ASSERT_EQ(::dup3(null, named_by_shell, O_CLOEXEC), named_by_shell);
  ::close(null);
}

class OneMachine : public ::testing::Environment {
 public:
  void SetUp() override {
    reserve_it();
    if (::geteuid() == 0) machine = std::make_unique<Machine>();
  }
  void TearDown() override { machine.reset(); }
};
const auto* const one_machine = ::testing::AddGlobalTestEnvironment(new OneMachine);

using Step = std::function<void(Scene&)>;

// "sasp-gwm", "second instance" is sasp_gwm_second_instance.
std::string test_name(const std::string& program, const std::string& event) {
  std::string name = program + " " + event;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

// ---- Runs that end by themselves

struct End {
  std::string program;
  std::string event;
  Arguments more;
  int code = 0;
  std::string says;  // a regular expression, in stdout and stderr together
  std::string redirections{};
  Step given{};
  bool leaves_socket = false;
  std::string why{};
};
void PrintTo(const End& row, std::ostream* out) {
  *out << row.program << ", " << row.event << (row.why.empty() ? "" : ": ") << row.why;
}

// "{}" in an argument is the folder of the scene.
Arguments in_folder(const Scene& scene, Arguments arguments) {
  for (auto& argument : arguments) {
    const auto at = argument.find("{}");
    if (at != std::string::npos) argument.replace(at, 2, scene.path(""));
  }
  return arguments;
}

class EndsByItself : public ::testing::TestWithParam<End> {};

TEST_P(EndsByItself, WithThisCode) {
  if (!machine) GTEST_SKIP() << "this is for root";
  const End& row = GetParam();
  Scene scene(*machine);
  if (row.given) row.given(scene);
  scene.start(row.program, in_folder(scene, row.more), row.redirections);
  EXPECT_EQ(scene.subject().wait(Scene::patience), row.code);
  const std::string log = scene.subject().log();
  EXPECT_TRUE(std::regex_search(log, std::regex(row.says))) << log;
  EXPECT_EQ(std::filesystem::is_socket(scene.control()), row.leaves_socket);
}

const Step a_file_in_place_of_the_socket = [](Scene& scene) { scene.given_file("control", "x"); };
const Step a_bad_config = [](Scene& scene) {
  scene.given_file("bad.conf", "log-level = info\nlog-level: loud\nfrobnicate = 1\n");
};
// Somebody has the control socket, and never answers.
const Step a_silent_program = [](Scene& scene) {
  static std::optional<SilentListener> listener;
  listener.emplace(scene.control());
};
const Step the_port_of_sasp_is_taken = [](Scene& scene) {
  scene.helper("sasp-gwm", {"--control", scene.path("other"), "--metrics", "off"});
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(scene.path("other")); }));
};

const std::string cannot_write = "cannot write to stdout";

std::vector<End> of_every_program(const std::string& program) {
  const std::string p = program.substr(0, program.find(' '));
  return {
      {program, "help", {"--help"}, 0, "Usage: " + p},
      {program, "help to a full disk", {"--help"}, 74, p + ": " + cannot_write, ">/dev/full"},
      {program, "help with stdout closed", {"--help"}, 74, p + ": " + cannot_write, ">&-"},
      {program, "help with all closed", {"--help"}, 74, "^$", "<&- >&- 2>&-"},
      {program, "version", {"--version"}, 0, "^" + p + " [0-9]+[.][0-9]+[.][0-9]+\nbuilt with "},
      {program, "version to a full disk", {"--version"}, 74, p + ": " + cannot_write, ">/dev/full"},
      {program, "unknown flag", {"--nosuch"}, 64, p + ": unknown flag '--nosuch'"},
      {program,
       "flag given twice",
       {"--log-level", "info", "--log-level", "debug"},
       64,
       p == "saspctl" ? "unknown flag '--log-level'" : "--log-level is given 2 times"},
      {program,
       "flag without value",
       {p == "saspctl" ? "--timeout" : "--control"},
       64,
       p == "sasp-member" ? "unknown flag '--control'" : "needs a value"},
  };
}

std::vector<End> of_every_configured_program(const std::string& program) {
  const std::string p = program.substr(0, program.find(' '));
  const bool gwm = p == "sasp-gwm";
  const Arguments unreadable = gwm ? Arguments{"--tls-ca",     "{}nosuch.pem", "--tls-cert",
                                               "{}nosuch.pem", "--tls-key",    "{}nosuch.key"}
                                   : Arguments{"--tls-ca", "{}nosuch.pem"};
  const auto with = [](Arguments arguments, const std::string& more) {
    arguments.push_back(more);
    return arguments;
  };
  return {
      {program, "check", {"--check"}, 0, p + ": the configuration is good\n$"},
      {program, "check to a full disk", {"--check"}, 74, p + ": " + cannot_write, ">/dev/full"},
      {program, "check of certificates that are not there", with(unreadable, "--check"), 78,
       "cannot read .*nosuch[.](pem|key)|nosuch[.](pem|key): "},
      {program, "certificates that are not there", unreadable, 78,
       "cannot read .*nosuch[.](pem|key)|nosuch[.](pem|key): "},
      {program,
       "check and print config",
       {"--check", "--print-config"},
       64,
       "--print-config and --check at once: a run does one of them"},
      {program, "print config", {"--print-config"}, 0, "(^|\n)log-level = info\n"},
      {program,
       "print config to a full disk",
       {"--print-config"},
       74,
       p + ": " + cannot_write,
       ">/dev/full"},
      {program,
       "print config with stdout closed",
       {"--print-config"},
       74,
       p + ": " + cannot_write,
       ">&-"},
      {program,
       "config file missing",
       {"--config", "{}nosuch"},
       66,
       p + ": --config: cannot read .*nosuch: No such file or directory\n"},
      {program,
       "config file with bad lines",
       {"--config", "{}bad.conf"},
       78,
       "bad[.]conf:2: .*\n.*bad[.]conf:3: unknown key 'frobnicate'",
       "",
       a_bad_config},
      {program,
       "check of a config file with bad lines",
       {"--config", "{}bad.conf", "--check"},
       78,
       "bad[.]conf:2: .*\n.*bad[.]conf:3: unknown key 'frobnicate'",
       "",
       a_bad_config},
      {program,
       "unknown argument",
       {"frobnicate"},
       64,
       p == "sasp-member" ? "takes no argument, got 'frobnicate'"  // as saspctl's commands say
                          : "unexpected argument 'frobnicate'"},
  };
}

std::vector<End> of_single_programs() {
  std::vector<End> rows{
      {"saspd",
       "attach and check",
       {"--attach", "--interface", "d0", "--check"},
       64,
       "--attach and --check at once: a run does one of them"},
      {"saspd", "nothing attached", {"--pins", "{}nosuch"}, 69, "no XDP program"},
      {"saspctl", "unknown command", {"frobnicate"}, 64, "unknown command 'frobnicate', expected"},
      {"saspctl", "nobody there", {"status"}, 69, "the program is not running"},
      {"saspctl", "no socket", {"status"}, 69, "", "", a_file_in_place_of_the_socket},
      {"saspctl",
       "no answer",
       {"status", "--timeout", "1"},
       75,
       "try again",
       "",
       a_silent_program,
       true},
      {"sasp-member register", "no gwm", {"--wait", "0"}, 69, "not registered: .*refused"},
      {"sasp-gwm",
       "its port is taken",
       {"--metrics", "off"},
       74,
       "Address already in use",
       "",
       the_port_of_sasp_is_taken},
      {"sasp-gwm",
       "weights file missing",
       {"--weights", "{}nosuch"},
       66,
       "cannot read .*nosuch: No such file"},
      {"sasp-gwm",
       "check of a missing weights file",
       {"--weights", "{}nosuch", "--check"},
       66,
       "cannot read .*nosuch: No such file"},
      {"sasp-gwm",
       "weights file with a bad line",
       {"--weights", "{}weights", "--check"},
       65,
       "weights: line 1: ",
       "",
       [](Scene& scene) { scene.given_file("weights", "web 10.0.0.1:80 many\n"); }},
  };
  for (const std::string program : {"saspd", "sasp-gwm"}) {
    rows.push_back({program,
                    "a file in place of the socket",
                    {},
                    74,
                    "cannot create the control socket .*: there is a file that is not a socket",
                    "",
                    a_file_in_place_of_the_socket});
    rows.push_back({program,
                    "socket of another program",
                    {},
                    75,
                    "another program listens on the control socket",
                    "",
                    a_silent_program,
                    true});
  }
  return rows;
}

std::vector<End> all_ends() {
  std::vector<End> rows = of_single_programs();
  const auto add = [&rows](const std::vector<End>& more) {
    rows.insert(rows.end(), more.begin(), more.end());
  };
  for (const std::string program : {"saspd", "sasp-gwm", "sasp-member run", "saspctl"})
    add(of_every_program(program));
  for (const std::string program : {"saspd", "sasp-gwm", "sasp-member run"})
    add(of_every_configured_program(program));
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Frame, EndsByItself, ::testing::ValuesIn(all_ends()), [](const auto& row) {
  return test_name(row.param.program, row.param.event);
});

// What --print-config prints is a config file that says the same.
TEST(Frame, APrintedConfigIsReadAgain) {
  if (!machine) GTEST_SKIP() << "this is for root";
  for (const std::string program : {"saspd", "sasp-gwm", "sasp-member run"}) {
    Scene scene(*machine);
    auto& first = scene.helper(program, {"--print-config"});
    ASSERT_EQ(first.wait(Scene::patience), 0);
    scene.given_file("conf", first.log());
    Arguments line = scene.command_line(program, {});
    line.resize(program.find(' ') == std::string::npos ? 1 : 2);
    line.insert(line.end(), {"--config", scene.path("conf"), "--print-config"});
    Program second(line, scene.path("second.log"));
    EXPECT_EQ(second.wait(Scene::patience), 0);
    EXPECT_EQ(second.log(), first.log());
  }
}

// ---- What happens to a program that runs

constexpr int goes_on = -1;

struct Event {
  std::string program;
  std::string event;
  Step happens;
  int code = goes_on;   // if it goes on, SIGTERM ends it with 0 after
  std::string says{};   // regular expressions
  std::string tells{};  // the service manager
  bool leaves_socket = false;
  std::string why{};
  Arguments more{};
  std::string redirections{};
  Step given{};
};
void PrintTo(const Event& row, std::ostream* out) {
  *out << row.program << ", " << row.event << (row.why.empty() ? "" : ": ") << row.why;
}

std::optional<SilentListener> taken;  // a port

// It has its signal handlers, and all that it makes at its start.
void await_start(Scene& scene, std::optional<SilentListener>& peer) {
  if (peer) {
    ASSERT_TRUE(peer->takes_client());
  } else {
    ASSERT_TRUE(scene.tells("READY=1\n"));
  }
}

class Runs : public ::testing::TestWithParam<Event> {
 protected:
  void TearDown() override {
    reserve_it();  // after a_pipe_without_reader
    taken.reset();
  }
};

TEST_P(Runs, AndThenThisHappens) {
  if (!machine) GTEST_SKIP() << "this is for root";
  const Event& row = GetParam();
  Scene scene(*machine);
  std::optional<SilentListener> peer;  // of programs that tell nobody that they are ready
  if (row.program == "sasp-member register") peer.emplace(std::uint16_t{3860});
  if (row.program == "saspctl") peer.emplace(scene.control());
  if (row.given) row.given(scene);
  scene.start(row.program, in_folder(scene, row.more), row.redirections);
  await_start(scene, peer);
  if (HasFatalFailure()) return;
  row.happens(scene);
  if (HasFatalFailure()) return;
  if (row.code == goes_on) {
    EXPECT_TRUE(scene.says(row.says));
    EXPECT_TRUE(scene.tells(row.tells));
    ASSERT_EQ(scene.subject().wait(std::chrono::seconds{0}), std::nullopt);
    scene.subject().send(SIGTERM);
  }
  EXPECT_EQ(scene.subject().wait(Scene::patience), row.code == goes_on ? 0 : row.code);
  EXPECT_TRUE(scene.says(row.says));
  EXPECT_TRUE(scene.tells(row.tells));
  EXPECT_EQ(std::filesystem::is_socket(scene.control()),
            row.leaves_socket || row.program == "saspctl");
}

template <int... signals>
void at_once(Scene& scene) {
  scene.subject().send_at_once({signals...});
}

// Stopped, it says nothing; continued, it says again that it lives.
void stopped_and_continued(Scene& scene) {
  ASSERT_TRUE(scene.tells("WATCHDOG=1\n"));
  int status = 0;
  scene.subject().send(SIGSTOP);
  ::waitpid(scene.subject().pid(), &status, WUNTRACED);
  scene.forget_what_was_told();
  scene.subject().send(SIGCONT);
  EXPECT_TRUE(scene.tells("WATCHDOG=1\n"));
}

void second_instance(Scene& scene) {
  auto& second = scene.helper(scene.name(), scene.name() == "sasp-gwm"
                                                ? Arguments{"--listen", "127.0.0.1:3861"}
                                                : Arguments{});
  EXPECT_EQ(second.wait(Scene::patience), 75);
  EXPECT_TRUE(std::regex_search(
      second.log(), std::regex(scene.name() == "saspd" ? "another saspd already writes"
                                                       : "another program listens on the "
                                                         "control socket")))
      << second.log();
  EXPECT_TRUE(scene.answers()) << "the first one serves";
}

// The socket's place is somebody else's when it ends.
void socket_replaced(Scene& scene) {
  std::filesystem::remove(scene.control());
  scene.given_file("control", "of somebody else");
  scene.subject().send(SIGTERM);
  EXPECT_EQ(scene.subject().wait(Scene::patience), 0);
  EXPECT_TRUE(std::filesystem::is_regular_file(scene.control()));
}

void client_hangs(Scene& scene) {
  const Descriptor silent = scene.connected();
  const Descriptor half = scene.connected();
  EXPECT_EQ(::send(half.get(), "{\"command\":", 11, MSG_NOSIGNAL), 11);
  ASSERT_TRUE(scene.answers()) << "both were taken";
  scene.subject().send(SIGTERM);
  EXPECT_EQ(scene.subject().wait(Scene::patience), 0);
}

// It is in the middle of a write when it is ended.
void client_does_not_read(Scene& scene) {
  const Descriptor client = scene.connected();
  const std::string question = "{\"command\":\"status\"}\n";
  ssize_t sent = 0;
  std::string questions;
  for (int i = 0; i < 4000; ++i)
    questions += question;
  // What is taken at once; it stops reading where its answers are not read.
  while (sent >= 0) {
    sent = ::send(client.get(), questions.data(), questions.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ASSERT_TRUE(scene.answers());
  }
  scene.subject().send(SIGTERM);
  EXPECT_EQ(scene.subject().wait(Scene::patience), 0);
}

const Step nothing = [](Scene&) {};

const Step a_silent_gwm = [](Scene&) { taken.emplace(std::uint16_t{3860}); };
// And a load balancer that lets members register themselves.
const Step a_gwm = [](Scene& scene) {
  scene.helper("sasp-gwm", {"--metrics", "off", "--control", scene.path("gwm-control")});
  scene.helper("saspd", {"--control", scene.path("lb-control"), "--lb-uid", "lb1", "--trust"});
};
void ended_when_registered(Scene& scene) {
  ASSERT_TRUE(scene.tells("STATUS=.*: registered with 1 of 1 GWM"));
  scene.subject().send(SIGTERM);
}

const Step a_pipe_without_reader = [](Scene&) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  ASSERT_EQ(::dup2(ends[1], named_by_shell), named_by_shell);
  ::close(ends[0]);
  ::close(ends[1]);
};

std::vector<Event> of_every_daemon(const std::string& program) {
  const std::string p = program.substr(0, program.find(' '));
  const bool has_socket = p != "sasp-member";
  const std::string stopped =
      p == "saspd" ? "stopped; the weights stay as they are\n$" : "stopped\n$";
  const bool hosted = p != "saspd";
  const std::string stopping = hosted ? "STOPPING=1\nEXTEND_TIMEOUT_USEC=[0-9]+\n" : "STOPPING=1\n";
  const std::string reloading = "RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*\nREADY=1\n";
  const std::string reload_says =
      "SIGHUP: files are read again, flags are not; restart " + p + " for new flags\n";
  const std::string status = p == "saspd"      ? "STATUS=0 of 1 GWMs up, 1 groups, [01] members, "
                             : p == "sasp-gwm" ? "STATUS=0 of 0 load balancers connected, "
                                               : "STATUS=tcp:10.0.0.1:80 of group 'web' of 'lb1': "
                                                 "registered with 0 of 1 GWM";
  return {
      {program, "SIGTERM", at_once<SIGTERM>, 0, stopped, stopping},
      {program, "SIGINT", at_once<SIGINT>, 0, stopped, stopping},
      {program, "SIGTERM twice", at_once<SIGTERM, SIGINT>, 0, stopped, stopping},
      {program, "SIGHUP", at_once<SIGHUP>, goes_on, reload_says, reloading},
      // Which of them it takes first is open.
      {program, "SIGHUP and SIGTERM", at_once<SIGHUP, SIGTERM>, 0, stopped, stopping},
      {program, "SIGPIPE", at_once<SIGPIPE>, goes_on},
      {program, "SIGUSR1", at_once<SIGUSR1>, goes_on, "SIGUSR1 has no meaning for " + p},
      {program, "SIGUSR2", at_once<SIGUSR2>, goes_on, "SIGUSR2 has no meaning for " + p},
      {program, "SIGQUIT", at_once<SIGQUIT>, 0, stopped, stopping},
      {program, "SIGKILL", at_once<SIGKILL>, 128 + SIGKILL, "", "", has_socket},
      {program, "SIGSTOP and SIGCONT", stopped_and_continued, goes_on},
      {program, "a service manager", nothing, goes_on, "", "READY=1\n(.*\n)*.*" + status},
      {program, "its watchdog", nothing, goes_on, "", "WATCHDOG=1\n(.*\n)*WATCHDOG=1\n"},
      {program, "stdout closed", nothing, goes_on, "", "", false, "", {}, ">&-"},
      {program, "stdout full", nothing, goes_on, "", "", false, "", {}, ">/dev/full"},
      {program, "stderr full", nothing, goes_on, "^$", "", false, "", {}, "2>/dev/full"},
      {.program = program,
       .event = "stderr without reader",
       .happens = nothing,
       .redirections = "2>&9 9>&-",
       .given = a_pipe_without_reader},
  };
}

// A descriptor of its own in the place of stderr would get the log: a peer's connection, say.
void nothing_of_its_own_is_at_the_places_of_standard_streams(Scene& scene) {
  for (int fd = 0; fd <= 2; ++fd) {
    const auto link = fmt::format("/proc/{}/fd/{}", scene.subject().pid(), fd);
    EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null");
  }
}

std::vector<Event> of_every_control_socket(const std::string& program) {
  return {
      {program, "second instance", second_instance, goes_on},
      {program, "its socket is removed",
       [](Scene& scene) { std::filesystem::remove(scene.control()); }, goes_on},
      {program, "its socket is replaced", socket_replaced, 0},
      {program, "a client hangs", client_hangs, 0},
      {program, "a client does not read", client_does_not_read, 0},
      {.program = program,
       .event = "a stale socket is there",
       .happens = nothing,
       .given =
           [program](Scene& scene) {
             auto& killed = scene.helper(program);
             EXPECT_TRUE(eventually([&] { return std::filesystem::is_socket(scene.control()); }));
             killed.send(SIGKILL);
             EXPECT_EQ(killed.wait(Scene::patience), 128 + SIGKILL);
           }},
      {.program = program,
       .event = "its metrics port is taken",
       .happens = nothing,
       .says = "no metrics: .*; trying again, see --metrics\n",
       .given =
           [program](Scene&) {
             taken.emplace(static_cast<std::uint16_t>(program == "saspd" ? 9860 : 9861));
           }},
  };
}

std::vector<Event> of_every_client_of_a_gwm(const std::string& program) {
  return {
      {program,
       "SIGTERM while it connects",
       at_once<SIGTERM>,
       0,
       "stopped",
       "STOPPING=1\n",
       false,
       "",
       {},
       "",
       a_silent_gwm},
  };
}

std::vector<Event> all_events() {
  std::vector<Event> rows;
  const auto add = [&rows](const std::vector<Event>& more) {
    rows.insert(rows.end(), more.begin(), more.end());
  };
  for (const std::string program : {"saspd", "sasp-gwm", "sasp-member run"}) {
    add(of_every_daemon(program));
    rows.push_back({program,
                    "all streams closed",
                    nothing_of_its_own_is_at_the_places_of_standard_streams,
                    goes_on,
                    "^$",
                    "",
                    false,
                    "",
                    {},
                    "<&- >&- 2>&-"});
  }
  for (const std::string program : {"saspd", "sasp-gwm"})
    add(of_every_control_socket(program));
  for (const std::string program : {"saspd", "sasp-member run"})
    add(of_every_client_of_a_gwm(program));
  const std::string once = "sasp-member register";
  const std::string no_answer = "not registered: no answer in time";
  add({
      {"sasp-member run",
       "SIGTERM while registered",
       ended_when_registered,
       0,
       "deregistered(.*\n)*.*stopped\n$",
       "STATUS=.*: deregistered from 1 of 1 GWM",
       false,
       "",
       {},
       "",
       a_gwm},
      {once, "SIGTERM", at_once<SIGTERM>, 75, no_answer},
      {once, "SIGINT", at_once<SIGINT>, 75, no_answer},
      {once, "SIGHUP", at_once<SIGHUP>, 128 + SIGHUP, "^$", "", false,
       "run hears SIGHUP, a one-shot command is ended by it"},
      {once, "SIGUSR1 before SIGTERM", at_once<SIGUSR1, SIGTERM>, 75, no_answer},
      {once, "SIGUSR2 before SIGTERM", at_once<SIGUSR2, SIGTERM>, 75, no_answer},
      {"saspctl", "SIGUSR1 before SIGTERM", at_once<SIGUSR1, SIGTERM>, 128 + SIGTERM, "^$"},
      {"saspctl", "SIGUSR2 before SIGTERM", at_once<SIGUSR2, SIGTERM>, 128 + SIGTERM, "^$"},
      {"saspctl", "SIGTERM", at_once<SIGTERM>, 128 + SIGTERM, "^$"},
      {"saspctl", "SIGINT", at_once<SIGINT>, 128 + SIGINT, "^$"},
      {"saspctl", "SIGHUP", at_once<SIGHUP>, 128 + SIGHUP, "^$"},
      {"saspctl", "SIGPIPE", at_once<SIGPIPE>, 128 + SIGPIPE, "^$", "", false,
       "saspctl watch | head ends by it"},
  });
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Frame, Runs, ::testing::ValuesIn(all_events()), [](const auto& row) {
  return test_name(row.param.program, row.param.event);
});

}  // namespace
}  // namespace saspd::test
