#include "store/object/s3_signer.h"

#include <gtest/gtest.h>

#include <map>

namespace kite::store {
namespace {

// The examples of AWS's documentation of Signature Version 4 for S3.
const S3Credentials kCredentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                 ""};
constexpr int64_t kTime = 1369353600;  // 2013-05-24T00:00:00Z
constexpr const char* kHost = "examplebucket.s3.amazonaws.com";

std::string Signature(const S3Message& message, const S3Credentials& credentials = kCredentials) {
  for (const auto& [name, value] : Sign(message, credentials, "us-east-1", kTime)) {
    if (name == "authorization") return value.substr(value.find("Signature=") + 10);
  }
  return "";
}

TEST(S3SignerTest, AwsExampleGetWithRange) {
  EXPECT_EQ(Signature({"GET", kHost, "/test.txt", {}, {{"range", "bytes=0-9"}}, Sha256Hex("")}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(S3SignerTest, AwsExamplePut) {
  EXPECT_EQ(Signature({"PUT",
                       kHost,
                       "/" + PercentEncode("test$file.text", true),
                       {},
                       {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                        {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                       Sha256Hex("Welcome to Amazon S3.")}),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(S3SignerTest, AwsExampleGetBucketLifecycle) {
  EXPECT_EQ(Signature({"GET", kHost, "/", {{"lifecycle", ""}}, {}, Sha256Hex("")}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(S3SignerTest, AwsExampleListObjects) {
  EXPECT_EQ(Signature({"GET", kHost, "/", {{"max-keys", "2"}, {"prefix", "J"}}, {}, Sha256Hex("")}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(S3SignerTest, ATokenIsSigned) {
  S3Credentials temporary = kCredentials;
  temporary.session_token = "token";
  const S3Message message{"GET", kHost, "/", {}, {}, Sha256Hex("")};
  EXPECT_NE(Signature(message, temporary), Signature(message));
  bool carried = false;
  for (const auto& [name, value] : Sign(message, temporary, "us-east-1", kTime))
    carried |= name == "x-amz-security-token" && value == "token";
  EXPECT_TRUE(carried);
}

TEST(S3SignerTest, Encodings) {
  EXPECT_EQ(PercentEncode("a b/\xc3\xa4~", true), "a%20b/%C3%A4~");
  EXPECT_EQ(PercentEncode("a/b", false), "a%2Fb");
  EXPECT_EQ(EncodeQuery({{"b", "2 3"}, {"a", ""}}), "a=&b=2%203");
  EXPECT_EQ(Md5Base64(""), "1B2M2Y8AsgTpgAmY7PhCfg==");
  EXPECT_EQ(Base64("ab"), "YWI=");
}

}  // namespace
}  // namespace kite::store
