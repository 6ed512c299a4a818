using System.Text.Json.Nodes;
using RlHarness.Core.Randomness;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Generation;

[Trait("kind", "arithmetic")]
public sealed class GenerationTests
{
    public static TheoryData<string> Models() =>
        [.. Golden.Names("models").Where(name => File.Exists(Path.Combine(Golden.Require("models", name), "config.json"))).AtLeastOne()];

    [Theory]
    [MemberData(nameof(Models))]
    public void Greedy_tokens_and_their_log_probabilities_are_those_of_transformers(string name)
    {
        var folder = Golden.Require("models", name);
        using var model = ModelLoader.Load(folder, CPU, withTokenizer: false);
        using var expected = new TensorFile(Path.Combine(folder, "expected.safetensors"));
        var rows = expected.Rows("left.input_ids", "left.attention_mask");
        var results = new BatchGenerator(model.Decoder).Generate(
            [.. rows.Select((r, i) => new GenerationRequest(r, i))],
            new SamplingSettings
            {
                Temperature = 0,
                MaxNewTokens = 24,
                MinNewTokens = 24,
                StopIds = [2],
            },
            new Seeds(1)
        );
        var tokens = expected.Longs("left.greedy").Chunk(24).ToArray();
        var logprobs = expected.Floats("left.greedy_logprobs").Chunk(24).ToArray();
        for (var i = 0; i < rows.Length; i++)
        {
            Assert.Equal(tokens[i], results[i].Tokens.Select(t => (long)t));
            for (var t = 0; t < 24; t++)
                Assert.Equal(logprobs[i][t], results[i].Logprobs[t], 1e-3);
        }
    }

    [Fact]
    public void Batch_size_order_threads_and_repeated_prompts_change_no_token()
    {
        using var model = ModelLoader.Load(Golden.Require("models", "llama"), CPU, withTokenizer: false);
        var random = new Seeds(5).For("prompts");
        var prompts = Enumerable.Range(0, 6).Select(_ => Enumerable.Range(0, 2 + random.NextInt(20)).Select(_ => 3 + random.NextInt(250)).ToArray()).ToArray();
        var requests = prompts.SelectMany((p, i) => Enumerable.Range(0, 4).Select(s => new GenerationRequest(p, i, s))).ToArray();
        var settings = new SamplingSettings
        {
            Temperature = 1.3,
            MaxNewTokens = 30,
            StopIds = [7, 8, 9, 10, 11, 12],
            BatchSize = 64,
        };
        var generator = new BatchGenerator(model.Decoder);
        var together = generator.Generate(requests, settings, new Seeds(3));
        var alone = generator.Generate(requests, settings with { BatchSize = 1 }, new Seeds(3));
        var backwards = generator.Generate([.. requests.Reverse()], settings with { BatchSize = 5 }, new Seeds(3)).Reverse().ToArray();
        using var threads = new Threads(3);
        var sideBySide = generator.Generate(requests, settings, new Seeds(3));
        for (var i = 0; i < requests.Length; i++)
        {
            Assert.Equal(together[i].Tokens, alone[i].Tokens);
            Assert.Equal(together[i].Tokens, backwards[i].Tokens);
            Assert.Equal(together[i].Tokens, sideBySide[i].Tokens);
        }

        Assert.Contains(together, r => r.Finish == FinishReason.Stop && r.Tokens.Count < 30);
        Assert.True(together.Select(r => string.Join(",", r.Tokens)).Distinct().Count() > 12);
    }

    [Fact]
    public void A_sampler_may_draw_what_transformers_allows_with_the_same_probabilities()
    {
        using var scope = NewDisposeScope();
        using var expected = new TensorFile(Golden.Require("rl", "expected.safetensors"));
        var cases = JsonNode.Parse(File.ReadAllText(Golden.Require("rl", "expected.json")))!["cases"]!.AsObject();
        var samplers = cases.Where(c => c.Key.StartsWith("sampler_", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(samplers);
        foreach (var (name, c) in samplers)
        {
            var settings = new SamplingSettings
            {
                Temperature = c!["temperature"]!.GetValue<double>(),
                TopK = c["top_k"]!.GetValue<int>(),
                TopP = c["top_p"]!.GetValue<double>(),
                MinP = c["min_p"]!.GetValue<double>(),
                RepetitionPenalty = c["repetition_penalty"]!.GetValue<double>(),
            };
            var got = Sampler.LogProbabilities(expected[name + ".logits"], settings, expected[name + ".previous_tokens"]).exp();
            Assert.True((got - expected[name + ".probabilities"]).abs().max().item<double>() < 1e-9, name);
        }
    }

    [Fact]
    public void Drawn_tokens_follow_the_distribution()
    {
        using var scope = NewDisposeScope();
        var logits = tensor(new float[] { 0, 1, 2, float.NegativeInfinity, 0.5f }, 1, 5).expand(20000, 5);
        var random = new Seeds(11).For("uniforms");
        var (ids, _) = Sampler.Draw(logits, new SamplingSettings(), [.. Enumerable.Range(0, 20000).Select(_ => random.NextDouble())]);
        // exp(0, 1, 2, -, 0.5) / sum = 0.078, 0.212, 0.578, 0, 0.129; four standard errors of 20,000 draws are below 0.014
        double[] want = [1 / 12.756, 2.71828 / 12.756, 7.38906 / 12.756, 0, 1.64872 / 12.756];
        for (var i = 0; i < 5; i++)
            Assert.Equal(want[i], ids.Count(x => x == i) / 20000.0, 0.015);
        Assert.DoesNotContain(3L, ids);
    }

    [Fact]
    public void The_largest_uniform_number_draws_the_last_allowed_token()
    {
        using var scope = NewDisposeScope();
        var (ids, logprobs) = Sampler.Draw(tensor(new float[] { 1, 2, float.NegativeInfinity }, 1, 3), new SamplingSettings(), [1 - 1e-17]);
        Assert.Equal(1, ids[0]);
        Assert.Equal(-0.31326, logprobs[0], 1e-4); // log(e² / (e + e²))
    }
}
