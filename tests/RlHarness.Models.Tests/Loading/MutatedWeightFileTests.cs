using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Conversion;
using RlHarness.Models.Loading;
using TorchSharp;

namespace RlHarness.Models.Tests.Loading;

[Trait("kind", "contract")]
public sealed class MutatedWeightFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-mutated-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    [Fact]
    public void A_damaged_safetensors_file_is_read_or_refused_in_words()
    {
        SafetensorsWriter.Write(
            At("a.safetensors"),
            [
                new WeightSource("w", WeightType.F32, [2, 3], new byte[24]),
                new WeightSource("model.é", WeightType.BF16, [4], new byte[8]),
                new WeightSource("scalar", WeightType.I64, [], new byte[8]),
                new WeightSource("empty", WeightType.F16, [0, 4], ReadOnlyMemory<byte>.Empty),
            ],
            new Dictionary<string, string> { ["format"] = "pt" }
        );
        Mutations.AreReadOrRefused(File.ReadAllBytes(At("a.safetensors")), 5000, bytes =>
        {
            File.WriteAllBytes(At("b.safetensors"), bytes);
            using var file = SafetensorsFile.Open(At("b.safetensors"));
            foreach (var entry in file.Entries.Values)
                file.Bytes(entry).ToArray();
        });
    }

    [Theory]
    [InlineData("llama_mixed.gguf")]
    [InlineData("qwen3_f16.gguf")]
    public void A_damaged_GGUF_file_is_read_or_refused_in_words(string name)
    {
        // The head has all of the structure: metadata and the table of tensors take the first 4 KiB.
        Mutations.AreReadOrRefused(
            File.ReadAllBytes(Golden.Require("gguf", name)),
            1000,
            bytes =>
            {
                File.WriteAllBytes(At("b.gguf"), bytes);
                using (var file = GgufFile.Open(At("b.gguf")))
                {
                    foreach (var entry in file.Entries.Values)
                        Dequantizer.ToFloat(entry.Type, file.Bytes(entry), new float[WeightTypes.Elements(entry.Shape)]);
                }

                ModelInspection.Of(At("b.gguf"));
            },
            within: 4096
        );
    }

    [Fact]
    public void A_damaged_tokenizer_in_a_GGUF_file_is_read_or_refused_in_words()
    {
        Tiny.Save(At("model"));
        Tiny.Tokenizer().Save(At("model"));
        ModelConverter.Convert(At("model"), At("whole.gguf"), new ConversionSettings { ToGguf = true });
        Mutations.AreReadOrRefused(
            File.ReadAllBytes(At("whole.gguf")),
            1000,
            bytes =>
            {
                File.WriteAllBytes(At("b.gguf"), bytes);
                using var model = ModelLoader.Load(At("b.gguf"), torch.CPU);
                model.Tokenizer?.Decode(model.Tokenizer.Encode("the cat sat é"));
            },
            within: 8192
        );
    }

    [Fact]
    public void A_damaged_config_of_a_model_is_read_or_refused_in_words()
    {
        Tiny.Save(At("model"));
        Mutations.AreReadOrRefused(File.ReadAllBytes(Path.Combine(At("model"), "config.json")), 1000, bytes =>
        {
            File.WriteAllBytes(Path.Combine(At("model"), "config.json"), bytes);
            using var model = ModelLoader.Load(At("model"), torch.CPU, withTokenizer: false);
        });
    }
}
