using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Conversion;
using RlHarness.Tests;

namespace RlHarness.Models.Tests.Conversion;

[Trait("kind", "contract")]
public sealed class GgufWriterTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_written_is_read_back()
    {
        var path = Path.Combine(_folder, "a.gguf");
        var values = Enumerable.Range(0, 64).Select(i => (i - 31) * 0.5f).ToArray();
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = "llama",
            ["a.u32"] = 7u,
            ["a.f32"] = 1e-5f,
            ["a.bool"] = true,
            ["a.strings"] = new[] { "x", "é" },
            ["a.ints"] = new[] { 1, -2 },
            ["a.long"] = -5L,
        };
        WeightType[] types = [WeightType.F32, WeightType.F16, WeightType.BF16, WeightType.Q8_0];
        GgufWriter.Write(path, metadata, [.. types.Select(type => new WeightSource(type.ToString(), type, [2, 32], Quantizer.FromFloat(type, values)))]);
        using var file = GgufFile.Open(path);
        Assert.Equal(metadata, file.Metadata);
        foreach (var type in types)
        {
            var entry = file.Entries[type.ToString()];
            Assert.Equal([2, 32], entry.Shape);
            Assert.Equal(0, entry.Offset % 32);
            var read = new float[64];
            Dequantizer.ToFloat(entry.Type, file.Bytes(entry), read);
            // half steps up to 16 are exact in F16 and BF16; Q8_0 is within half its step of 16/127, and the scale's own rounding
            Assert.All(read.Zip(values), pair => Assert.Equal(pair.Second, pair.First, type == WeightType.Q8_0 ? 0.07f : 0f));
        }
    }

    [Fact]
    public void A_golden_file_written_again_is_the_same_byte_for_byte()
    {
        var source = Golden.Require("gguf", "llama_mixed.gguf");
        var path = Path.Combine(_folder, "again.gguf");
        using (var file = GgufFile.Open(source))
        {
            GgufWriter.Write(
                path,
                file.Metadata,
                [.. file.Entries.Values.Select(entry => new WeightSource(entry.Name, entry.Type, entry.Shape, file.Bytes(entry).ToArray()))]
            );
        }

        Assert.Equal(File.ReadAllBytes(source), File.ReadAllBytes(path));
    }

    [Fact]
    public void Quantised_as_gguf_py_quantises()
    {
        using var file = GgufFile.Open(Golden.Require("gguf", "qwen2_q8_0.gguf"));
        using var model = SafetensorsSet.Open(Golden.Require("models", "qwen2"));
        var entry = file.Entries["token_embd.weight"];
        var original = new float[entry.Elements];
        var weight = model.Entries["model.embed_tokens.weight"];
        Dequantizer.ToFloat(weight.Type, model.Bytes(weight), original);
        Assert.Equal(file.Bytes(entry).ToArray(), Quantizer.FromFloat(WeightType.Q8_0, original));
    }

    [Fact]
    public void A_tokenizer_survives_the_way_through_gguf()
    {
        var path = Path.Combine(_folder, "t.gguf");
        var folder = Path.Combine(_folder, "model");
        Tiny.Save(folder);
        var tokenizer = Tiny.Tokenizer();
        tokenizer.Save(folder);
        ModelConverter.Convert(folder, Path.Combine(_folder, "model.gguf"), new ConversionSettings { ToGguf = true });
        using var model = GgufFile.Open(Path.Combine(_folder, "model.gguf"));
        GgufWriter.Write(path, model.Metadata, []);
        using var again = GgufFile.Open(path);
        Assert.Equal(tokenizer.Encode("A text, with 123 numbers\n"), Tokenizer.FromGguf(again).Encode("A text, with 123 numbers\n"));
    }
}
