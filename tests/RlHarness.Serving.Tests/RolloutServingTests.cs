using System.Text.Json.Nodes;
using RlHarness.Core.Randomness;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Tests;
using RlHarness.Serving.Answering;
using RlHarness.Serving.Http;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;
using TorchSharp;

namespace RlHarness.Serving.Tests;

/// <summary>What RL asks of a service for its rollouts: ids, log-probabilities, streams by name, and other weights.</summary>
[Trait("kind", "contract")]
public sealed class RolloutServingTests
{
    [Fact]
    public async Task A_completion_gives_the_ids_and_log_probabilities_of_the_stream_that_it_names()
    {
        await using var served = await ServedModel.StartAsync();
        int[] prompt = [10, 20, 30];
        var stops = Enumerable.Range(0, 280).Where(i => i % 6 == 0).ToHashSet();
        // A root beyond a signed 64-bit number; ids that end the answer beside the model's own, so that some answers end by themselves.
        var seeds = new Seeds(0xF000_0000_0000_0001);
        var finishes = new HashSet<FinishReason>();
        for (var sample = 0; sample < 16; sample++)
        {
            var expected = new BatchGenerator(served.Model.Decoder).Generate(
                [new GenerationRequest(prompt, 5, sample)],
                new SamplingSettings { MaxNewTokens = 6, StopIds = [.. served.Model.StopIds.Union(stops)] },
                seeds,
                step: 3
            )[0];
            var (status, json) = await served.AskAsync(
                "v1/completions",
                new()
                {
                    ["model"] = "tiny",
                    ["prompt"] = new JsonArray(10, 20, 30),
                    ["max_tokens"] = 6,
                    ["top_k"] = -1,
                    ["logprobs"] = 1,
                    ["return_token_ids"] = true,
                    ["stop_token_ids"] = new JsonArray([.. stops.Select(i => JsonValue.Create(i))]),
                    ["rlharness_stream"] = new JsonArray(seeds.Root, 3, 5, sample),
                }
            );
            Assert.Equal(200, status);
            var choice = json["choices"]![0]!;
            // The id that ended it is among them.
            Assert.Equal(expected.Tokens, choice["token_ids"]!.AsArray().Select(i => (int)i!));
            Assert.Equal(prompt, choice["prompt_token_ids"]!.AsArray().Select(i => (int)i!));
            var logprobs = choice["logprobs"]!["token_logprobs"]!.AsArray().Select(p => (float)p!).ToArray();
            Assert.Equal(expected.Logprobs.Count, logprobs.Length);
            Assert.All(expected.Logprobs.Zip(logprobs), p => Assert.Equal(p.First, p.Second, 1e-4f));
            Assert.Equal(expected.Finish == FinishReason.Stop ? "stop" : "length", (string)choice["finish_reason"]!);
            finishes.Add(expected.Finish);
        }

        Assert.Equal(2, finishes.Count);
        var (bad, error) = await served.AskAsync(
            "v1/completions",
            new()
            {
                ["model"] = "tiny",
                ["prompt"] = new JsonArray(1),
                ["rlharness_stream"] = new JsonArray(1, 2),
            }
        );
        Assert.Equal((400, "rlharness_stream"), (bad, (string)error["error"]!["param"]!));
        // Nobody has said that clients may change its weights.
        Assert.Equal(403, (await served.AskAsync("update_weights_from_disk", new() { ["model_path"] = "/tmp" })).Status);
    }

    [Fact]
    public async Task RL_over_our_own_server_is_RL_by_itself()
    {
        const string Variable = "RLHARNESS_TEST_SERVICE_KEY";
        var root = Directory.CreateTempSubdirectory("rlharness-service-");
        try
        {
            var settings = Small(root.FullName);
            var alone = Run(settings);
            using var model = ModelLoader.Load(Path.Combine(alone, "imitate"), torch.CPU);
            var options = new ModelServerOptions
            {
                Name = "policy",
                Batch = 8,
                Load = folder => ModelLoader.Load(folder, torch.CPU, withTokenizer: false),
            };
            var server = new ServerOptions { Token = "a-key", Port = 0 };
            await using var running = await ModelServer.StartAsync(model, options, server);
            Environment.SetEnvironmentVariable(Variable, "a-key");
            var served = settings with
            {
                Name = "served",
                Rl = settings.Rl with
                {
                    Rollouts = RolloutKind.Service,
                    Service = new()
                    {
                        Endpoint = new Uri(running.Address, "v1").ToString(),
                        Model = "policy",
                        KeyVariable = Variable,
                        Concurrency = 4,
                    },
                },
            };
            var path = Run(served);
            Assert.Equal(2 * 6, running.Given.Answers);
            using var one = RunStore.OpenReadOnly(Path.Combine(alone, "run.db"));
            using var other = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
            // The tokens of both steps, the second of which has other weights than the server started with.
            Assert.Equal(Answers(one), Answers(other));
            Assert.Equal(one.Series("rl", MetricNames.ObjectiveScores), other.Series("rl", MetricNames.ObjectiveScores));
            Assert.All(other.Series("rl", MetricNames.RolloutLogprobDeviation), v => Assert.InRange(v.Value, 0, 1e-3));
            string Policy(string run) => Path.Combine(run, "rl", "step_000002", "model.safetensors");
            Assert.Equal(await File.ReadAllBytesAsync(Policy(alone)), await File.ReadAllBytesAsync(Policy(path)));
            Assert.False(Directory.Exists(Path.Combine(path, ".rollouts")));

            // A server that keeps the weights that it began with is noticed by its log-probabilities.
            await using var stale = await ModelServer.StartAsync(
                model,
                options with
                {
                    Load = _ => ModelLoader.Load(Path.Combine(alone, "imitate"), torch.CPU, withTokenizer: false),
                },
                server
            );
            path = Run(
                served with
                {
                    Name = "stale",
                    Rl = served.Rl with { Service = served.Rl.Service! with { Endpoint = new Uri(stale.Address, "v1").ToString() } },
                }
            );
            using var third = RunStore.OpenReadOnly(Path.Combine(path, "run.db"));
            Assert.Contains(third.Events(), e =>
                e.Level == "warning" && e.Message.StartsWith("step 2: log-probabilities of rollout and update", StringComparison.Ordinal)
            );
        }
        finally
        {
            Environment.SetEnvironmentVariable(Variable, null);
            root.Delete(recursive: true);
        }

        static string[] Answers(RunStore store) =>
            [
                .. store
                    .Transcripts()
                    .Where(t => t.Stage == "rl" && t.Step > 0)
                    .Select(t => $"{t.Step} {t.Split} {t.QueryId} {t.Sample}: {string.Join(' ', t.TokenIds!)}"),
            ];
    }

    private static string Run(RunSettings settings) =>
        new TrainRecipe(new QuietProgress(), TimeProvider.System, CancellationToken.None).Start(settings, "test");

    private static RunSettings Small(string output)
    {
        var tiny = TinyRun.Small(output);
        return tiny with
        {
            Name = "alone",
            Threads = 1,
            Corpus = new() { Transcripts = 60, PreferencePairs = 40 },
            Reward = tiny.Reward with { Epochs = 1, Weights = new() },
            Rl = new()
            {
                Steps = 2,
                PromptsPerStep = 6,
                MaxNewTokens = 16,
                Minibatches = 2,
                CheckpointEvery = 2,
                Optimizer = new() { LearningRate = 1e-2 },
            },
            Evaluate = tiny.Evaluate with { Queries = 4 },
        };
    }
}
