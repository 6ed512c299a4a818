using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Models.Loading;
using RlHarness.Models.Verification;
using RlHarness.Tests;
using TorchSharp;

namespace RlHarness.Models.Tests.Verification;

[Trait("kind", "contract")]
public sealed class ModelVerifierTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-verify-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("olmo2")]
    [InlineData("gemma3_text")]
    public void A_model_that_transformers_wrote_passes_every_kind_that_its_file_has(string name)
    {
        var report = ModelVerifier.Verify(Golden.Require("models", name), Golden.Require("models", name, "expected.safetensors"), torch.CPU);
        Assert.True(report.Passed, string.Join("; ", report.Checks));
        string[] kinds = ["right.logits", "right.hidden_states", "grad.loss", "grad.*", "left.logits", "left.greedy)", "left.greedy_logprobs"];
        Assert.All(kinds, kind => Assert.Contains(report.Checks, check => check.Kind.Contains(kind, StringComparison.Ordinal)));
        // 4 rows of 24 tokens, as the golden folder's README says
        Assert.Equal(96, report.Checks.Single(check => check.Unit == "tokens").Compared);
    }

    [Fact]
    public void An_adapter_is_compared_alone_switched_off_and_merged()
    {
        var report = ModelVerifier.Verify(
            Golden.Require("models", "llama"),
            Golden.Require("models", "lora_lm_head_saved", "expected.safetensors"),
            torch.CPU,
            Golden.Require("models", "lora_lm_head_saved")
        );
        Assert.True(report.Passed, string.Join("; ", report.Checks));
        Assert.Equal(4, report.Checks.Count);
    }

    [Fact]
    public void One_changed_weight_is_found_and_named()
    {
        var golden = Golden.Require("models", "llama");
        using (var model = ModelLoader.Load(golden, torch.CPU, withTokenizer: false))
        {
            using (torch.no_grad())
                model.Decoder.Parameters["model.layers.2.mlp.down_proj.weight"][3, 5].add_(0.5);
            ModelSaver.Save(_folder, model.Decoder, model.Family, model.ConfigJson, null);
        }

        var report = ModelVerifier.Verify(_folder, Path.Combine(golden, "expected.safetensors"), torch.CPU);
        Assert.False(report.Passed);
        // layers 0 and 1 come before the change: only the last hidden state is off
        var hidden = report.Checks.Single(check => check.Kind.StartsWith("hidden states", StringComparison.Ordinal));
        Assert.Equal(("right.hidden_states.3", false), (hidden.Where, hidden.Passed));
    }

    [Fact]
    public void A_reference_of_another_model_is_refused()
    {
        // The golden model has 256 tokens, 0 to 255.
        var path = Path.Combine(_folder, "expected.safetensors");
        SafetensorsWriter.Write(
            path,
            [
                new WeightSource("input_ids", WeightType.I64, [1, 2], BitConverter.GetBytes(3L).Concat(BitConverter.GetBytes(256L)).ToArray()),
                new WeightSource("logits", WeightType.F32, [1, 2, 256], new byte[2 * 256 * 4]),
            ]
        );
        var error = Assert.Throws<HarnessException>(() => ModelVerifier.Verify(Golden.Require("models", "llama"), path, torch.CPU));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("token ids that this model does not have", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_weights_is_no_reference()
    {
        var error = Assert.Throws<HarnessException>(() => ReferenceFile.Open(Golden.Require("models", "llama", "model.safetensors")));
        Assert.Contains("not one of reference values", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reference_of_token_ids_alone_is_an_error_and_not_a_pass()
    {
        Tiny.Save(_folder);
        var path = Path.Combine(_folder, "expected.safetensors");
        SafetensorsWriter.Write(
            path,
            [new WeightSource("input_ids", WeightType.I64, [1, 2], BitConverter.GetBytes(3L).Concat(BitConverter.GetBytes(4L)).ToArray())]
        );
        Assert.Contains(
            "nothing to compare",
            Assert.Throws<HarnessException>(() => ModelVerifier.Verify(_folder, path, torch.CPU)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void An_error_that_is_not_a_number_does_not_pass() => Assert.False(new FidelityCheck("x", double.NaN, 1, "absolute", 1).Passed);
}
