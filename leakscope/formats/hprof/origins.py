"""Names of the JVM's classes as users write them, and whose they are."""

from __future__ import annotations

import re

from leakscope.formats.hprof.records import PRIMITIVES
from leakscope.graph.kinds import Origin

_STDLIB = (
    "java.", "javax.", "jdk.", "sun.", "com.sun.", "org.xml.sax.", "org.w3c.dom.", "org.ietf.jgss.", "netscape.",
    "com.oracle.", "org.graalvm.",
)  # fmt: skip
_THIRD_PARTY = (
    "akka.", "ch.qos.", "co.elastic.", "com.amazonaws.", "com.azure.", "com.caucho.", "com.codahale.", "com.datadog.",
    "com.fasterxml.", "com.github.benmanes.", "com.google.common.", "com.google.gson.", "com.google.inject.",
    "com.google.protobuf.", "com.hazelcast.", "com.ibm.", "com.mchange.", "com.microsoft.sqlserver.", "com.mongodb.",
    "com.mysql.", "com.newrelic.", "com.rabbitmq.", "com.squareup.", "com.zaxxer.", "datadog.", "freemarker.",
    "groovy.", "io.dropwizard.", "io.grpc.", "io.lettuce.", "io.micrometer.", "io.micronaut.", "io.netty.",
    "io.opentelemetry.", "io.prometheus.", "io.quarkus.", "io.reactivex.", "io.sentry.", "io.smallrye.",
    "io.undertow.", "io.vertx.", "jakarta.", "javassist.", "junit.", "kotlin.", "kotlinx.", "net.bytebuddy.",
    "net.sf.", "okhttp3.", "okio.", "oracle.", "org.aopalliance.", "org.apache.", "org.aspectj.", "org.bouncycastle.",
    "org.codehaus.", "org.eclipse.", "org.ehcache.", "org.elasticsearch.", "org.glassfish.", "org.h2.",
    "org.hibernate.", "org.hsqldb.", "org.infinispan.", "org.jboss.", "org.jetbrains.", "org.junit.", "org.mariadb.",
    "org.mockito.", "org.mongodb.", "org.objectweb.", "org.postgresql.", "org.quartz.", "org.reactivestreams.",
    "org.redisson.", "org.slf4j.", "org.springframework.", "org.thymeleaf.", "org.wildfly.", "org.xnio.", "org.yaml.",
    "play.", "reactor.", "redis.clients.", "retrofit2.", "rx.", "scala.", "software.amazon.",
)  # fmt: skip
"""Beginnings of packages; whatever else there is belongs to the user."""
_LETTERS = {"Z": 4, "C": 5, "F": 6, "D": 7, "B": 8, "S": 9, "I": 10, "J": 11}
_MADE_AT_RUN_TIME = re.compile(r"(\$\$Lambda)\b.*|(?:/|\+)0x[0-9a-f]+\Z")
"""Numbers and addresses in names that differ from run to run."""
_PRIMITIVES = frozenset(PRIMITIVES.values())


def written(name: str) -> str:
    """``java.lang.Object[]`` for ``[Ljava/lang/Object;``; lambdas lose their number."""
    depth = len(name) - len(name.lstrip("["))
    element = name[depth:]
    if depth and element in _LETTERS:
        return PRIMITIVES[_LETTERS[element]] + "[]" * depth
    if depth and element.startswith("L") and element.endswith(";"):
        element = element[1:-1]
    return _MADE_AT_RUN_TIME.sub(r"\1", element).replace("/", ".") + "[]" * depth


def origin_of(name: str) -> Origin:
    """By a class's name as ``written`` gives it. Arrays are nobody's own."""
    if name.startswith(_STDLIB) or name.endswith("[]") or name in _PRIMITIVES or name == "?":
        return Origin.STDLIB
    return Origin.THIRD_PARTY if name.startswith(_THIRD_PARTY) else Origin.USER
