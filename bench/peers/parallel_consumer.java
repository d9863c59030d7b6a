// Confluent Parallel Consumer: `java -cp … parallel_consumer.java --bootstrap HOST:PORT …`.
// What it is told and what it prints: see peers.ts beside this file.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

class ParallelConsumerPeer {
  public static void main(String[] args) throws Exception {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
    Map<String, String> told = new HashMap<>();
    for (int index = 0; index + 1 < args.length; index += 2) {
      told.put(args[index].substring(2), args[index + 1]);
    }
    String topic = told.get("topic");
    long messages = Long.parseLong(told.get("messages"));
    long handlerMs = Long.parseLong(told.getOrDefault("handler-ms", "0"));
    ProcessingOrder order = "none".equals(told.get("order"))
        ? ProcessingOrder.UNORDERED
        : ProcessingOrder.KEY;

    KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
        Map.of(
            "bootstrap.servers", told.get("bootstrap"),
            "group.id", told.get("group"),
            "auto.offset.reset", "earliest",
            // It commits by itself, and says so.
            "enable.auto.commit", "false"),
        new ByteArrayDeserializer(),
        new ByteArrayDeserializer());
    // What is not given stays as Parallel Consumer has it: 16 threads, a commit every 5 s.
    var options = ParallelConsumerOptions.<byte[], byte[]>builder().consumer(consumer).ordering(order);
    if (told.containsKey("concurrency")) {
      options.maxConcurrency(Integer.parseInt(told.get("concurrency")));
    }
    ParallelStreamProcessor<byte[], byte[]> processor =
        ParallelStreamProcessor.createEosStreamProcessor(options.build());

    ObjectMapper json = new ObjectMapper();
    AtomicLong begun = new AtomicLong();
    AtomicLong ended = new AtomicLong();
    AtomicLong sum = new AtomicLong();
    AtomicLong firstAt = new AtomicLong();
    AtomicLong lastAt = new AtomicLong();
    AtomicLong firstCpu = new AtomicLong();
    AtomicLong lastCpu = new AtomicLong();
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    CountDownLatch done = new CountDownLatch(1);
    processor.subscribe(List.of(topic));
    processor.poll(context -> {
      if (begun.getAndIncrement() == 0) {
        firstCpu.set(system.getProcessCpuTime());
        firstAt.set(System.nanoTime());
      }
      try {
        JsonNode data = json.readTree(context.value());
        if (handlerMs > 0) Thread.sleep(handlerMs);
        sum.addAndGet(data.get("n").longValue());
      } catch (Exception error) {
        throw new RuntimeException(error);
      }
      if (ended.incrementAndGet() == messages) {
        lastAt.set(System.nanoTime());
        lastCpu.set(system.getProcessCpuTime());
        done.countDown();
      }
    });
    done.await();
    System.out.printf(
        "{\"messages\":%d,\"sum\":%d,\"seconds\":%s,\"cpuSeconds\":%s}%n",
        messages,
        sum.get(),
        (lastAt.get() - firstAt.get()) / 1e9,
        (lastCpu.get() - firstCpu.get()) / 1e9);
    System.out.flush();
    // Closing would take seconds.
    Runtime.getRuntime().halt(0);
  }
}
