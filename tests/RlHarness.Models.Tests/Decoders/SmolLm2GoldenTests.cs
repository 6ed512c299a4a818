using System.Text.Json.Nodes;
using RlHarness.Core.Chat;
using RlHarness.Core.Randomness;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Tests;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

/// <summary>The real SmolLM2-135M-Instruct, as transformers computes it.</summary>
[Trait("kind", "arithmetic")]
public sealed class SmolLm2GoldenTests(ITestOutputHelper output)
{
    [Fact]
    public void Prompts_log_probabilities_greedy_answers_and_gradients_are_those_of_transformers()
    {
        var info = JsonNode.Parse(File.ReadAllText(Golden.Require("smollm2", "expected.json")))!;
        using var expected = new TensorFile(Golden.Require("smollm2", "expected.safetensors"));
        using var scope = NewDisposeScope();
        using var model = ModelLoader.Load(Golden.RequireModel("SmolLM2-135M-Instruct-GGUF", info["model"]!.GetValue<string>()), CPU, requiresGrad: true);
        var tokenizer = model.Tokenizer!;
        var encoder = ChatEncoder.For(tokenizer);
        var cases = info["cases"]!.AsArray();
        var requests = new List<GenerationRequest>();
        for (var i = 0; i < cases.Count; i++)
        {
            var messages = cases[i]!["messages"]!
                .AsArray()
                .Select(m => new ChatMessage(m!["role"]!.GetValue<string>(), m["content"]!.GetValue<string>()))
                .ToArray();
            Assert.Equal(cases[i]!["prompt"]!.GetValue<string>(), encoder.Render(messages, addGenerationPrompt: true));
            var ids = encoder.EncodePrompt(messages);
            Assert.Equal(expected.Longs($"{i}.input_ids"), ids.Select(x => (long)x));
            requests.Add(new GenerationRequest(ids, i));
            using (no_grad())
            {
                using var batch = TokenBatch.Pack([ids], CPU);
                var logp = nn.functional.log_softmax(model.Decoder.Logits(model.Decoder.Forward(batch)), -1);
                var chosen = logp.narrow(0, 0, ids.Length - 1).gather(1, tensor(ids.Skip(1).Select(x => (long)x).ToArray()).unsqueeze(1)).squeeze(1);
                var error = GoldenModelTests.LargestDifference(chosen, expected[$"{i}.prompt_logprobs"]);
                output.WriteLine($"chat {i}: prompt log-probabilities {error:e2}");
                Assert.True(error <= 1e-3, $"{error:e2}");
                var top = logp.gather(1, expected[$"{i}.top10_ids"]);
                Assert.True(GoldenModelTests.LargestDifference(top, expected[$"{i}.top10_logprobs"]) <= 1e-3);
            }
        }

        var answers = new BatchGenerator(model.Decoder).Generate(
            requests,
            new SamplingSettings
            {
                Temperature = 0,
                MaxNewTokens = 48,
                StopIds = [2],
            },
            new Seeds(1)
        );
        for (var i = 0; i < cases.Count; i++)
        {
            var tie = cases[i]!["first near tie (margin under 0.02) of the greedy path, or -1"]!.GetValue<int>();
            var want = expected.Longs($"{i}.greedy");
            var checkedTokens = tie < 0 ? want.Length : tie;
            Assert.Equal(want.Take(checkedTokens), answers[i].Tokens.Take(checkedTokens).Select(x => (long)x));
            if (tie < 0)
                Assert.Equal(cases[i]!["greedy_text"]!.GetValue<string>(), tokenizer.Decode(answers[i].Tokens));
        }

        var prompt = expected.Longs("0.input_ids").Select(x => (int)x).ToArray();
        var answer = expected.Longs("0.greedy").Select(x => (int)x).ToArray();
        using var whole = TokenBatch.Pack(
            [
                [.. prompt, .. answer],
            ],
            CPU
        );
        var rows = model.Decoder.Forward(whole).narrow(0, prompt.Length - 1, answer.Length);
        var loss = -nn.functional.log_softmax(model.Decoder.Logits(rows), -1).gather(1, tensor(answer.Select(x => (long)x).ToArray()).unsqueeze(1)).mean();
        loss.backward();
        var gradient = info["gradient"]!;
        Assert.Equal(gradient["loss of answer 0"]!.GetValue<double>(), loss.item<float>(), 1e-4);
        var worst = 0.0;
        foreach (var disk in model.Decoder.Layout.Disk)
        {
            var want = gradient["gradient norm by parameter"]![disk.DiskName]!.GetValue<double>();
            var got = model.Decoder.Parameters.GradientOf(disk.Parameter).narrow(0, disk.Offset, disk.Rows).norm().item<float>();
            worst = Math.Max(worst, Math.Abs(got - want) / want);
        }

        output.WriteLine($"gradient norms: largest relative difference {worst:e2}");
        Assert.True(worst <= 1e-3, $"{worst:e2}");
    }
}
