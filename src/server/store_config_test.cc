#include "server/store_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kite::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<StoreChoice> Choose(std::vector<std::string> environment) {
  ConfigInputs inputs;
  inputs.environment = std::move(environment);
  inputs.environment.emplace_back("MILVUSCONF=/nonexistent");
  const Result<Config> config = Config::Load(inputs);
  EXPECT_TRUE(config.ok()) << config.status();
  return ChooseStores(*config);
}

TEST(StoreConfigTest, NothingSetMeansEmbedded) {
  const auto choice = Choose({});
  ASSERT_TRUE(choice.ok());
  EXPECT_FALSE(choice->external.any());
  EXPECT_THAT(choice->notes, IsEmpty());
}

TEST(StoreConfigTest, WhatMilvussComposeFileSets) {
  const auto choice = Choose({"ETCD_ENDPOINTS=etcd:2379", "MINIO_ADDRESS=minio:9000",
                              "MINIO_REGION=us-east-1", "ETCD_PORT=tcp://10.0.0.7:2379",
                              "MINIO_PORT=tcp://10.0.0.8:9000", "MQ_TYPE=woodpecker"});
  ASSERT_TRUE(choice.ok()) << choice.status();
  ASSERT_TRUE(choice->external.etcd);
  EXPECT_THAT(choice->external.etcd->endpoints, ElementsAre("etcd:2379"));
  EXPECT_EQ(choice->external.etcd->root_path, "by-dev");
  EXPECT_TRUE(choice->external.etcd->user.empty());
  ASSERT_TRUE(choice->external.s3);
  EXPECT_EQ(choice->external.s3->address, "minio:9000");
  EXPECT_EQ(choice->external.s3->bucket, "a-bucket");
  EXPECT_EQ(choice->external.s3->root_path, "files");
  EXPECT_EQ(choice->external.s3->access_key, "minioadmin");
  EXPECT_FALSE(choice->external.kafka);
  EXPECT_THAT(choice->notes, ElementsAre(HasSubstr("mq.type is woodpecker")));
}

TEST(StoreConfigTest, EmbeddedInMilvussOwnWords) {
  const auto choice = Choose({"ETCD_USE_EMBED=true", "ETCD_ENDPOINTS=etcd:2379",
                              "COMMON_STORAGETYPE=local", "MINIO_ADDRESS=minio"});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_FALSE(choice->external.any());
  EXPECT_THAT(choice->notes, ElementsAre(HasSubstr("etcd.use.embed"), HasSubstr("storageType")));
}

TEST(StoreConfigTest, AllOfEtcd) {
  const auto choice =
      Choose({"ETCD_ENDPOINTS=a:1, b:2,", "ETCD_ROOTPATH=mine", "ETCD_AUTH_ENABLED=true",
              "ETCD_AUTH_USERNAME=u", "ETCD_AUTH_PASSWORD=p", "ETCD_SSL_ENABLED=true",
              "ETCD_SSL_TLSCACERT=/ca", "MILVUS_CONF_ETCD_REQUESTTIMEOUT=1234"});
  ASSERT_TRUE(choice.ok()) << choice.status();
  const store::EtcdOptions& etcd = *choice->external.etcd;
  EXPECT_THAT(etcd.endpoints, ElementsAre("a:1", "b:2"));
  EXPECT_EQ(etcd.root_path, "mine");
  EXPECT_EQ(etcd.user, "u");
  EXPECT_EQ(etcd.password, "p");
  EXPECT_TRUE(etcd.tls);
  EXPECT_EQ(etcd.tls_ca_file, "/ca");
  EXPECT_EQ(etcd.request_timeout, std::chrono::milliseconds(1234));
}

TEST(StoreConfigTest, ThePortOfTheObjectStore) {
  EXPECT_EQ(Choose({"MINIO_ADDRESS=host"})->external.s3->address, "host:9000");
  EXPECT_EQ(Choose({"MINIO_ADDRESS=host", "MINIO_PORT=80"})->external.s3->address, "host:80");
  EXPECT_EQ(Choose({"MINIO_ADDRESS=host:1", "MINIO_PORT=80"})->external.s3->address, "host:1");
}

TEST(StoreConfigTest, KafkaIsChosenByTypeOrBrokers) {
  EXPECT_EQ(Choose({"KAFKA_BROKERLIST=k:9092"})->external.kafka->brokers, "k:9092");
  EXPECT_TRUE(Choose({"MQ_TYPE=kafka", "KAFKA_BROKERLIST=k:9092"})->external.kafka);
  EXPECT_FALSE(Choose({"MQ_TYPE=rocksmq", "KAFKA_BROKERLIST=k:9092"})->external.kafka);
  const auto sasl =
      Choose({"KAFKA_BROKERLIST=k:9092", "KAFKA_SASLUSERNAME=u", "KAFKA_SASLPASSWORD=p"});
  EXPECT_EQ(sasl->external.kafka->security_protocol, "sasl_plaintext");
  EXPECT_EQ(sasl->external.kafka->sasl_mechanism, "PLAIN");
  const auto tls = Choose({"KAFKA_BROKERLIST=k:9092", "KAFKA_SECURITYPROTOCOL=SASL_SSL",
                           "KAFKA_SASLUSERNAME=u", "KAFKA_SSL_TLSCACERT=/ca"});
  EXPECT_EQ(tls->external.kafka->security_protocol, "sasl_ssl");
  EXPECT_EQ(tls->external.kafka->tls_ca_path, "/ca");
}

TEST(StoreConfigTest, WhatCannotWorkNamesTheKey) {
  EXPECT_THAT(Choose({"MQ_TYPE=pulsar"}).status().message(), HasSubstr("mq.type: 'pulsar'"));
  EXPECT_THAT(Choose({"MQ_TYPE=kafka"}).status().message(), HasSubstr("kafka.brokerList"));
  EXPECT_THAT(Choose({"COMMON_STORAGETYPE=minio"}).status().message(), HasSubstr("minio.address"));
}

}  // namespace
}  // namespace kite::server
