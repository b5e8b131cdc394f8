// SPDX-License-Identifier: Apache-2.0
// A network namespace per test, and ipvsadm in it. The kernel's tables are changed by hand here, as
// an operator would; only what is under test uses our own code.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace saspd::kernel {

[[noreturn]] inline void give_up(const std::string& what) {
  throw std::runtime_error(what + ": " + std::generic_category().message(errno));
}

// What `command` printed. Anything but exit status 0 is an exception, which fails the test.
inline std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) give_up(command);
  std::string output;
  for (int character = std::fgetc(pipe); character != EOF; character = std::fgetc(pipe)) {
    output.push_back(static_cast<char>(character));
  }
  if (::pclose(pipe) != 0) throw std::runtime_error("failed: " + command + "\n" + output);
  return output;
}

inline void feed(const std::string& command, std::string_view input) {
  FILE* pipe = ::popen(command.c_str(), "we");
  if (pipe == nullptr) give_up(command);
  const bool written = std::fwrite(input.data(), 1, input.size(), pipe) == input.size();
  if (::pclose(pipe) != 0 || !written) throw std::runtime_error("failed: " + command);
}

// Whether every IPv6 address of this namespace, on an interface that has a carrier, has its local
// route. The kernel adds that route later, in a work queue (net/ipv6/addrconf.c,
// addrconf_dad_work), even to an address without duplicate address detection; until then nothing
// reaches the address.
inline bool ipv6_addresses_usable() {
  constexpr unsigned lower_up = 0x10000;  // IFF_LOWER_UP of <linux/if.h>
  std::ifstream file("/proc/thread-self/net/ipv6_route");
  const std::string routes{std::istreambuf_iterator<char>(file), {}};
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) give_up("getifaddrs");
  bool usable = true;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET6) continue;
    const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
    if ((one->ifa_flags & lower_up) == 0 || IN6_IS_ADDR_LINKLOCAL(&address)) continue;
    std::string host_route;
    for (const unsigned char byte : address.s6_addr)
      host_route += fmt::format("{:02x}", byte);
    usable = usable && routes.find(host_route + " 80 ") != std::string::npos;
  }
  ::freeifaddrs(all);
  return usable;
}

inline void await_ipv6_addresses() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!ipv6_addresses_usable()) {
    if (std::chrono::steady_clock::now() > end)
      throw std::runtime_error("an IPv6 address has no local route after 30 s");
    ::usleep(1000);
  }
}

// ip(8) reads `lines`, without their "ip"; what they set up can be used when this returns.
inline void ip_batch(std::string_view lines) {
  feed("ip -batch -", lines);
  await_ipv6_addresses();
}

// The calling thread, and threads and processes that it starts, live in a namespace of their own
// until the end of this object. It has `lo` and nothing else.
class NetNamespace {
 public:
  NetNamespace() : original_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (original_ < 0) give_up("own network namespace");
    if (::unshare(CLONE_NEWNET) < 0) give_up("a new network namespace (root is needed)");
    own_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    ip_batch("link set lo up\n");
  }
  NetNamespace(const NetNamespace&) = delete;
  NetNamespace& operator=(const NetNamespace&) = delete;
  ~NetNamespace() {
    enter(original_);
    ::close(own_);
    ::close(original_);
  }

  // Runs `action` in the namespace of before: sysctls that are not per namespace are seen only
  // there.
  void outside(const std::function<void()>& action) const {
    enter(original_);
    action();
    enter(own_);
  }
  // And within that, here again.
  void inside(const std::function<void()>& action) const {
    enter(own_);
    action();
    enter(original_);
  }

 private:
  static void enter(int target) {
    if (::setns(target, CLONE_NEWNET) < 0) ADD_FAILURE() << "setns: errno " << errno;
  }

  int original_;
  int own_ = -1;
};

// ipvsadm of the current namespace.
struct Ipvsadm {
  // One option line each, as ipvsadm -S prints them: "-A -t 10.0.0.1:80 -s wrr".
  static void run(std::string_view lines) { feed("ipvsadm -R", lines); }
  static std::string saved() { return output_of("ipvsadm -Sn"); }
  static std::string thresholds() { return output_of("ipvsadm -Ln --thresholds"); }
};

// A sysctl that has another value until the end of this object.
class Sysctl {
 public:
  Sysctl(std::string path, const std::string& value) : path_(std::move(path)) {
    std::ifstream(path_) >> before_;
    write(value);
  }
  Sysctl(const Sysctl&) = delete;
  Sysctl& operator=(const Sysctl&) = delete;
  ~Sysctl() { write(before_); }

 private:
  void write(const std::string& value) const {
    std::ofstream file(path_);
    file << value << std::flush;
    if (!file) ADD_FAILURE() << path_ << " cannot be set to " << value;
  }

  std::string path_;
  std::string before_;
};

}  // namespace saspd::kernel
