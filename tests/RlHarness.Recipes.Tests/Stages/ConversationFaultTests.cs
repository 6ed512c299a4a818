using System.Text.Json.Nodes;
using RlHarness.Core.Chat;
using RlHarness.Core.Randomness;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Models.Conversion;
using RlHarness.Models.Generation;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Stages;
using RlHarness.Tests;
using RlHarness.Training.Batching;
using TorchSharp;

namespace RlHarness.Recipes.Tests.Stages;

/// <summary>Models whose answers were taught with other ids or other ends than their template writes (tests/golden/faults).</summary>
[Trait("kind", "contract")]
public sealed class ConversationFaultTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-conversation-");

    public void Dispose() => _root.Delete(recursive: true);

    [Theory]
    // shared/faults/BR-03 and BR-17: ids of transformers' apply_chat_template.
    [InlineData("phi3_three_ends", new[] { 292, 274, 565, 504 }, 884)]
    [InlineData("zephyr_llama2", new[] { 713, 260, 274 }, 2)]
    [InlineData("zephyr_mistral_metaspace", new[] { 771, 268 }, 2)]
    public void An_answer_has_the_ids_that_it_has_in_the_whole_conversation(string name, int[] begins, int end)
    {
        using var model = ModelLoader.Load(Golden.Require("faults", name), torch.CPU);
        var conversation = new Conversation(model, TimeProvider.System);
        var answer = conversation.Answer("The claim");
        Assert.Equal(begins, answer.Take(begins.Length));
        Assert.Equal(end, answer[^1]);
        ChatMessage[] asked = [ChatMessage.User("Is it so?")];
        var whole = ChatEncoder.For(model.Tokenizer!).Encode([.. asked, ChatMessage.Assistant("The claim")]);
        var training = conversation.Training([.. asked, ChatMessage.Assistant("The claim")]);
        Assert.Equal(whole.Ids.Take(training.Ids.Count), training.Ids);
        Assert.Equal([.. conversation.Prompt(asked), .. answer], training.Ids);
        Assert.Equal(training.Ids, conversation.Whole([.. asked, ChatMessage.Assistant("The claim")]));
        // What is generated behind a beginning within a word goes on from the ids of that text.
        var cut = whole.Text[..(whole.Text.IndexOf("The cla", StringComparison.Ordinal) + 7)];
        Assert.Equal(model.Tokenizer!.Encode(cut), conversation.Prompt(asked, "The cla"));
    }

    [Fact]
    public void Everything_that_saves_a_model_writes_all_of_its_end_tokens_and_the_other_keys()
    {
        var source = Golden.Require("faults", "phi3_three_ends");
        using (var model = ModelLoader.Load(source, torch.CPU))
        {
            Assert.Equal([879, 880, 884], model.StopIds.Order());
            ModelSaver.Save(At("stage"), model);
            using var body = ModelLoader.Load(source, torch.CPU, withHead: false);
            using var head = new Models.Decoders.ScalarHead(model.Decoder.Config.HiddenSize, torch.CPU, new Seeds(1).For("head"));
            ScalarHeadFolder.Save(At("reward"), body.Decoder, head, body);
        }

        ModelConverter.Convert(source, At("converted"), new ConversionSettings { ToGguf = false });
        foreach (var name in (string[])["stage", "reward", "converted"])
        {
            var json = JsonNode.Parse(File.ReadAllText(Path.Combine(At(name), "generation_config.json")))!;
            Assert.Equal([879, 880, 884], json["eos_token_id"]!.AsArray().Select(id => (int)id!));
            Assert.Equal(0.7, (double)json["temperature"]!);
            using var again = ModelLoader.Load(At(name), torch.CPU, withHead: name != "reward");
            Assert.Equal([879, 880, 884], again.StopIds.Order());
        }
    }

    [Fact]
    public void Rows_without_a_token_are_never_drawn_and_the_scorer_knows_it()
    {
        using var model = ModelLoader.Load(Golden.Require("faults", "rows_beyond_tokenizer"), torch.CPU);
        Assert.Equal(51, model.Decoder.WithoutToken.Count);
        Assert.Contains("never drawn", Assert.Single(model.Warnings), StringComparison.Ordinal);
        var conversation = new Conversation(model, TimeProvider.System);
        var prompt = conversation.Prompt([ChatMessage.User("Is it so?")]);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 8).Select(i => new GenerationRequest(prompt, 0, i))];
        foreach (var temperature in (double[])[0, 1])
        {
            var settings = new SamplingSettings { Temperature = temperature, MaxNewTokens = 12 };
            foreach (var answer in new BatchGenerator(model.Decoder).Generate(requests, settings, new Seeds(1)))
            {
                Assert.All(answer.Tokens, id => Assert.InRange(id, 0, 898));
                if (temperature == 0)
                    continue;
                using var scope = torch.NewDisposeScope();
                using var batch = Models.Decoders.TokenBatch.Pack(
                    [
                        [.. prompt, .. answer.Tokens],
                    ],
                    torch.CPU
                );
                var hidden = model.Decoder.Forward(batch).narrow(0, prompt.Length - 1, answer.Tokens.Count);
                var targets = torch.tensor(answer.Tokens.Select(id => (long)id).ToArray());
                var scores = TokenScorer.Score(model.Decoder, hidden, targets, 1);
                foreach (var (scored, drawn) in scores.Logprobs.data<float>().ToArray().Zip(answer.Logprobs))
                    Assert.Equal(drawn, scored, 1e-4f);
                Assert.All(scores.Entropy.data<float>().ToArray(), h => Assert.True(float.IsFinite(h)));
            }
        }
    }

    private string At(string name) => Path.Combine(_root.FullName, name);
}
