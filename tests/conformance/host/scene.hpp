// SPDX-License-Identifier: Apache-2.0
// One of the four programs as a process of a machine: what it is given, what happens to it, and how
// it is seen from outside. Everything is in a network namespace, so ports are the usual ones.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <list>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/descriptor.hpp"
#include "tests/support/director_network.hpp"
#include "tests/support/program.hpp"
#include "tests/support/service_manager.hpp"

namespace saspd::test {

// A machine of its own with an attached XDP program, so that saspd has something to write.
class Machine {
 public:
  Machine() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // whom a program leaves behind becomes ours
    const rlimit no_core{};
    ::setrlimit(RLIMIT_CORE, &no_core);
    kernel::ip_batch("link add name d0 type veth peer name d1\nlink set d0 up\nlink set d1 up\n");
    kernel::output_of(PROGRAMS "/saspd --attach --interface d0 --xdp-mode generic --pins " +
                      pins() + " 2>&1");
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine() { kernel::output_of(PROGRAMS "/saspd --detach --force --pins " + pins() + " 2>&1"); }
  std::string pins() const { return file_system_.path() + "/saspd"; }

 private:
  kernel::NetNamespace network_;
  kernel::BpfFileSystem file_system_;
};

// A listening socket of somebody who takes connections and then says nothing.
class SilentListener {
 public:
  explicit SilentListener(std::uint16_t port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_at(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  explicit SilentListener(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    listen_at(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  bool takes_client() {
    pollfd client{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&client, 1, 60'000) != 1) return false;
    client_ = Descriptor(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return true;
  }
  // The client that was taken has gone.
  bool is_left() const {
    pollfd client{.fd = client_.get(), .events = POLLIN, .revents = 0};
    for (char bytes[1024];;) {
      if (::poll(&client, 1, 60'000) != 1) return false;
      if (::recv(client_.get(), bytes, sizeof bytes, 0) <= 0) return true;
    }
  }

 private:
  void listen_at(const sockaddr* address, socklen_t size) const {
    EXPECT_EQ(::bind(fd_.get(), address, size), 0);
    EXPECT_EQ(::listen(fd_.get(), 16), 0);
  }

  Descriptor fd_;
  Descriptor client_;
};

class Scene {
 public:
  explicit Scene(const Machine& machine) : machine_(machine) {
    std::string directory = ::testing::TempDir() + "frame.XXXXXX";
    directory_ = ::mkdtemp(directory.data());
    std::filesystem::permissions(directory_, std::filesystem::perms(0711));
    manager_.emplace(path("notify"));
  }
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  ~Scene() {
    if (::testing::Test::HasFailure()) {
      for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
        if (entry.path().extension() == ".log") show_logs({entry.path()});
      }
      std::cerr << "--- notified\n" << manager_->heard();
    }
    subject_.reset();
    helpers_.clear();
    // What a program that was killed had begun in a child ends by itself.
    EXPECT_TRUE(eventually([] { return ::waitpid(-1, nullptr, WNOHANG) == -1; }))
        << "left behind: " << killed_orphans();
    std::filesystem::remove_all(directory_);
  }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string control() const { return path("control"); }

  // What `program` needs to run here, but for flags that are in `more`. A second word is a command:
  // "sasp-member register".
  Arguments command_line(const std::string& program, const Arguments& more) const {
    const auto space = program.find(' ');
    const std::string name = program.substr(0, space);
    Arguments line{PROGRAMS "/" + name};
    if (space != std::string::npos) line.push_back(program.substr(space + 1));
    const auto add = [&](const std::vector<std::pair<std::string, std::string>>& needed) {
      for (const auto& [flag, value] : needed) {
        if (std::find(more.begin(), more.end(), flag) == more.end())
          line.insert(line.end(), {flag, value});
      }
    };
    if (name == "saspd") {
      add({{"--backend", "xdp"},
           {"--pins", machine_.pins()},
           {"--gwm", "127.0.0.1"},
           {"--retry-min", "1"},
           {"--service", "web=tcp:192.0.2.10:80"},
           {"--member", "web=10.0.0.1:80"},
           {"--ledger", path("ledger")},
           {"--history", path("history")},
           {"--overrides", path("overrides")},
           {"--control", control()}});
    } else if (name == "sasp-gwm") {
      add({{"--control", control()}});
    } else if (name == "sasp-member") {
      add({{"--gwm", "127.0.0.1"},
           {"--retry-min", "1"},
           {"--lb-uid", "lb1"},
           {"--group", "web"},
           {"--member", "tcp:10.0.0.1:80"}});
      if (program == "sasp-member register") add({{"--wait", "3600"}});
    } else {
      add({{"--socket", control()}});
    }
    line.insert(line.end(), more.begin(), more.end());
    return line;
  }

  // `redirections` are the shell's.
  void start(const std::string& program, const Arguments& more = {},
             const std::string& redirections = {}) {
    name_ = program;
    subject_ = made(program, more, redirections, "subject.log");
  }
  // The same with all that it needs in the config file "conf", and `text` behind that.
  void start_with_config(const std::string& program, const std::string& text) {
    name_ = program;
    const Arguments line = command_line(program, {});
    std::size_t flags = 1;
    needed_.clear();
    while (flags < line.size() && !line[flags].starts_with("--"))
      ++flags;
    for (std::size_t i = flags; i + 1 < line.size(); i += 2)
      needed_ += line[i].substr(2) + " = " + line[i + 1] + "\n";
    given_config(text);
    Arguments given(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(flags));
    given.insert(given.end(), {"--config", path("conf")});
    subject_ = std::make_unique<Program>(given, path("subject.log"));
  }
  void given_config(const std::string& text) const { given_file("conf", needed_ + text); }
  // The number of the line `text` in it.
  std::size_t line_of(const std::string& text) const {
    std::ifstream file(path("conf"));
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      if (line == text) return number;
    }
    return 0;
  }
  // Another program of ours beside it, or before.
  Program& helper(const std::string& program, const Arguments& more = {}) {
    helpers_.push_back(made(program, more, {}, "helper" + std::to_string(helpers_.size()) + ".log",
                            {"env", "-u", "NOTIFY_SOCKET", "-u", "WATCHDOG_USEC"}));
    return *helpers_.back();
  }
  void given_file(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }

  bool tells(const std::string& pattern) {
    return eventually([&] { return std::regex_search(manager_->heard(), std::regex(pattern)); });
  }
  bool says(const std::string& pattern) const {
    return eventually([&] { return std::regex_search(subject_->log(), std::regex(pattern)); });
  }
  void forget_what_was_told() { manager_->forget(); }

  // A client of the control socket.
  Descriptor connected() const {
    Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    control().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    return client;
  }
  // saspctl asks it and gets its answer.
  bool answers() { return helper("saspctl", {"status"}).wait(patience) == 0; }

  Program& subject() { return *subject_; }
  const std::string& name() const { return name_; }

  static constexpr auto patience = std::chrono::seconds{60};

 private:
  std::unique_ptr<Program> made(const std::string& program, const Arguments& more,
                                const std::string& redirections, const std::string& log,
                                const Arguments& prefix = {}) const {
    Arguments line = command_line(program, more);
    line.insert(line.begin(), prefix.begin(), prefix.end());
    if (!redirections.empty()) {
      const Arguments shell{"sh", "-c", "exec \"$@\" " + redirections, "sh"};
      line.insert(line.begin(), shell.begin(), shell.end());
    }
    return std::make_unique<Program>(line, path(log));
  }

  // Whom the programs have left behind. They are ended, so that one fault is one failure.
  static std::string killed_orphans() {
    std::string orphans;
    std::ifstream children("/proc/thread-self/children");
    for (pid_t child = 0; children >> child;) {
      std::ifstream name(fmt::format("/proc/{}/comm", child));
      std::string line;
      std::getline(name, line);
      orphans += fmt::format("{} ({}) ", line, child);
      ::kill(child, SIGKILL);
      int status = 0;
      ::waitpid(child, &status, 0);
    }
    return orphans;
  }

  const Machine& machine_;
  std::string directory_;
  std::optional<ServiceManager> manager_;
  std::string name_;
  std::string needed_;  // at the head of "conf"
  std::unique_ptr<Program> subject_;
  std::list<std::unique_ptr<Program>> helpers_;
};

}  // namespace saspd::test
