// SPDX-License-Identifier: Apache-2.0
// The --tls flags: what they mean, and which of them need each other.
#include "controller/cli/tls_options.hpp"

#include <gtest/gtest.h>

#include "controller/cli/cli.hpp"

namespace saspd::cli {
namespace {

struct Parsed {
  std::optional<ExitCode> end;
  TlsSettings settings;
  std::string config;
};

Parsed parse(TlsRole role, std::vector<const char*> arguments) {
  Parsed parsed;
  Cli cli("prog", "Test.");
  add_tls_options(cli, parsed.settings, role);
  arguments.insert(arguments.begin(), "prog");
  parsed.end = cli.parse(static_cast<int>(arguments.size()), arguments.data());
  parsed.config = cli.config_text();
  return parsed;
}

TEST(TlsOptions, AreOffWhenNoneIsGiven) {
  const auto parsed = parse(TlsRole::client, {});
  EXPECT_FALSE(parsed.end);
  EXPECT_FALSE(parsed.settings.used());
  EXPECT_EQ(parsed.config, "") << "the default of --tls-min would turn TLS on";
  EXPECT_TRUE(check_tls(parsed.settings, TlsRole::client));
  EXPECT_TRUE(check_tls(parsed.settings, TlsRole::server));
}

TEST(TlsOptions, AnyOfThemTurnsTlsOn) {
  for (const auto* flag : {"--tls-ca=f", "--tls-cert=f", "--tls-key=f", "--tls-crl=f",
                           "--tls-name=n", "--tls-min=1.2", "--tls-min=1.3"}) {
    const auto parsed = parse(TlsRole::client, {flag});
    EXPECT_FALSE(parsed.end) << flag;
    EXPECT_TRUE(parsed.settings.used()) << flag;
  }
}

TEST(TlsOptions, ReachTheSettings) {
  const auto settings = parse(TlsRole::client, {"--tls-ca=a", "--tls-cert=b", "--tls-key=c",
                                                "--tls-crl=d", "--tls-name=e", "--tls-min=1.3"})
                            .settings;
  EXPECT_EQ(settings.ca, "a");
  EXPECT_EQ(settings.cert, "b");
  EXPECT_EQ(settings.key, "c");
  EXPECT_EQ(settings.crl, "d");
  EXPECT_EQ(settings.name, "e");
  EXPECT_EQ(settings.min, TlsVersion::v1_3);
}

TEST(TlsOptions, RefuseOtherVersionsAndEmptyPaths) {
  EXPECT_EQ(parse(TlsRole::client, {"--tls-min=1.1"}).end, ExitCode::usage);
  EXPECT_EQ(parse(TlsRole::client, {"--tls-ca="}).end, ExitCode::usage);
}

TEST(TlsOptions, AServerConnectsToNobodyWhoseNameCouldBeWrong) {
  EXPECT_EQ(parse(TlsRole::server, {"--tls-name=n"}).end, ExitCode::usage);
}

TEST(TlsOptions, NameWhatIsMissing) {
  struct Case {
    TlsRole role;
    TlsSettings settings;
    std::string missing;  // nothing: complete
  };
  const auto settings = [](std::string ca, std::string cert, std::string key,
                           std::string crl = {}) {
    TlsSettings made;
    made.ca = std::move(ca);
    made.cert = std::move(cert);
    made.key = std::move(key);
    made.crl = std::move(crl);
    return made;
  };
  TlsSettings only_name;
  only_name.name = "gwm";
  TlsSettings only_min;
  only_min.min = TlsVersion::v1_2;
  const std::vector<Case> cases{
      {TlsRole::client, settings("a", "", ""), ""},
      {TlsRole::client, settings("a", "b", "c", "d"), ""},
      {TlsRole::server, settings("a", "b", "c", "d"), ""},
      {TlsRole::client, settings("a", "b", ""), "--tls-key"},
      {TlsRole::client, settings("a", "", "c"), "--tls-cert"},
      {TlsRole::client, settings("", "b", "c"), "--tls-ca"},
      {TlsRole::client, only_name, "--tls-ca"},
      {TlsRole::client, only_min, "--tls-ca"},
      {TlsRole::server, settings("a", "", ""), "--tls-cert"},
      {TlsRole::server, only_min, "--tls-cert"},
      {TlsRole::server, settings("a", "b", ""), "--tls-key"},
      {TlsRole::server, settings("", "b", "c"), "--tls-ca"},
  };
  for (const auto& each : cases) {
    const auto checked = check_tls(each.settings, each.role);
    EXPECT_EQ(!checked, !each.missing.empty()) << each.missing;
    if (checked) continue;
    EXPECT_NE(checked.error().detail.find("needs"), std::string::npos);
    EXPECT_NE(checked.error().detail.find(each.missing + " FILE"), std::string::npos)
        << checked.error().detail;
  }
}

}  // namespace
}  // namespace saspd::cli
