using RlHarness.Core.Errors;
using RlHarness.Models.Loading;
using RlHarness.Tests;

namespace RlHarness.Models.Tests.Loading;

[Trait("kind", "contract")]
public class ModelInspectionTests
{
    [Fact]
    public void A_folder_tells_its_family_shape_and_dtypes()
    {
        // Figures of the golden model's config.json: 3 layers of width 64, 4 heads over 2, 256 tokens.
        var m = ModelInspection.Of(Golden.Require("models", "olmo2"));
        Assert.Equal(
            ("olmo2", "Olmo2ForCausalLM", "safetensors", 3, 64, 4, 2, 256),
            (m.Family, m.Architecture, m.Format, m.Layers, m.HiddenSize, m.AttentionHeads, m.KeyValueHeads, m.VocabularySize)
        );
        Assert.Equal(m.Parameters, m.Dtypes.Values.Sum());
        Assert.Empty(m.UnusedTensors);
        Assert.Null(m.Tokenizer);
        Assert.Contains(m.NotSupported, p => p.StartsWith("no tokenizer", StringComparison.Ordinal));
    }

    [Fact]
    public void A_quantised_file_tells_its_tokenizer_and_template()
    {
        // The figures of SmolLM2-135M: 134,515,008 parameters (its model card says 135 M), 49,152 tokens, 30 layers.
        var m = ModelInspection.Of(Golden.RequireModel("SmolLM2-135M-Instruct-GGUF"));
        Assert.Equal((134_515_008, 30, 49_152, true), (m.Parameters, m.Layers, m.TokenizerSize, m.HasChatTemplate));
        Assert.Equal("gguf", m.Format);
        Assert.Empty(m.NotSupported);
        Assert.Equal("<|im_end|>", m.SpecialTokens["eos_token"]);
    }

    [Fact]
    public void A_family_that_is_not_known_is_described_as_not_supported()
    {
        var folder = Directory.CreateTempSubdirectory("rlharness-inspect-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "config.json"), """{ "model_type": "mamba", "architectures": ["MambaForCausalLM"] }""");
            var m = ModelInspection.Of(folder);
            Assert.Equal((null, "MambaForCausalLM", 0), (m.Family, m.Architecture, m.Layers));
            Assert.Contains("mamba", Assert.Single(m.NotSupported), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_path_without_a_model_is_an_error() =>
        Assert.Equal(ErrorKind.BadFile, Assert.Throws<HarnessException>(() => ModelInspection.Of("no-such-model")).Kind);
}
