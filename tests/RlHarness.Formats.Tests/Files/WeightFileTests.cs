using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Tests;

namespace RlHarness.Formats.Tests.Files;

[Trait("kind", "contract")]
public sealed class WeightFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_written_is_read_back_sorted_aligned_and_with_its_metadata()
    {
        var path = Path.Combine(_folder, "a.safetensors");
        float[] floats = [1, 2, 3, 4, 5, 6];
        SafetensorsWriter.Write(
            path,
            [
                new WeightSource("é.bytes", WeightType.U8, [3], new byte[] { 7, 8, 9 }),
                new WeightSource("w", WeightType.F32, [2, 3], MemoryMarshal.AsBytes<float>(floats).ToArray()),
                new WeightSource("scalar", WeightType.I64, [], new byte[8]),
                new WeightSource("empty", WeightType.F16, [0, 4], ReadOnlyMemory<byte>.Empty),
            ],
            new Dictionary<string, string> { ["format"] = "pt" }
        );
        Assert.Single(Directory.GetFiles(_folder));
        using var file = SafetensorsFile.Open(path);
        Assert.Equal(4, file.Entries.Count);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal([2, 3], file.Entries["w"].Shape);
        Assert.Equal(floats, MemoryMarshal.Cast<byte, float>(file.Bytes(file.Entries["w"])).ToArray());
        Assert.Equal([8, 9], file.Bytes(file.Entries["é.bytes"], 1, 2).ToArray());
        Assert.Equal(0, BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(path)) % 8);
        Assert.All(file.Entries.Values, entry => Assert.Equal(0, entry.Offset % Dequantizer.TypeSize(entry.Type)));
    }

    [Fact]
    public void A_weight_that_writes_too_little_leaves_no_file()
    {
        var path = Path.Combine(_folder, "a.safetensors");
        Assert.Throws<InvalidOperationException>(() => SafetensorsWriter.Write(path, [new WeightSource("w", WeightType.F32, [2], new byte[7])]));
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Theory]
    [InlineData("")]
    [InlineData("short")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")]
    [InlineData("GGUFxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
    public void Foreign_files_are_refused_by_both_readers(string content)
    {
        var path = Path.Combine(_folder, "foreign");
        File.WriteAllText(path, content);
        Assert.Equal(ErrorKind.BadFile, Assert.Throws<HarnessException>(() => SafetensorsFile.Open(path)).Kind);
        Assert.Equal(ErrorKind.BadFile, Assert.Throws<HarnessException>(() => GgufFile.Open(path)).Kind);
    }

    [Theory]
    [InlineData("[]", 0, "JSON object")]
    [InlineData("{\"w\":", 0, "JSON")]
    [InlineData("{\"w\":1}", 0, "'w'")]
    [InlineData("{\"w\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "F99")]
    [InlineData("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "wrong length")]
    [InlineData("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "outside")]
    [InlineData("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "after the last")]
    [InlineData("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "data_offsets")]
    [InlineData("{\"w\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape")]
    [InlineData("{\"w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, "wrong length")]
    [InlineData("{\"w\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"v\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}", 3, "overlaps")]
    [InlineData("{\"w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"v\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}", 3, "gap")]
    [InlineData(
        "{\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
        0,
        "two weights"
    )]
    [InlineData("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__.a")]
    public void A_header_that_does_not_hold_is_named(string header, int data, string says)
    {
        var path = Path.Combine(_folder, "bad.safetensors");
        var text = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + text.Length + data];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, text.Length);
        text.CopyTo(bytes, 8);
        File.WriteAllBytes(path, bytes);
        var error = Assert.Throws<HarnessException>(() => SafetensorsFile.Open(path));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gguf", "llama_mixed.gguf")]
    [InlineData("gguf", "blocks.safetensors")]
    public void Every_cut_of_a_file_is_an_error_and_never_a_crash(string folder, string name)
    {
        var whole = File.ReadAllBytes(Golden.Require(folder, name));
        var path = Path.Combine(_folder, "cut");
        for (var keep = 0; keep < whole.Length; keep = keep < 200 ? keep + 1 : keep + 97 + (keep / 30))
        {
            File.WriteAllBytes(path, whole[..keep]);
            Assert.Throws<HarnessException>(() => Open(path, name).Dispose());
        }
    }

    [Theory]
    [InlineData("gguf", "llama_mixed.gguf")]
    [InlineData("gguf", "blocks.safetensors")]
    public void A_flipped_header_byte_is_an_error_or_harmless_and_never_a_crash(string folder, string name)
    {
        var whole = File.ReadAllBytes(Golden.Require(folder, name));
        var path = Path.Combine(_folder, "flipped");
        for (var at = 0; at < 1500; at += at < 64 ? 1 : 7)
        {
            foreach (var mask in new byte[] { 0xFF, 0x80, 0x01 })
            {
                whole[at] ^= mask;
                File.WriteAllBytes(path, whole);
                try
                {
                    using var file = Open(path, name);
                    foreach (var entry in file.Entries.Values)
                        _ = file.Bytes(entry).Length;
                }
                catch (HarnessException) { }

                whole[at] ^= mask;
            }
        }
    }

    [Fact]
    public void A_gguf_file_gives_its_weights_metadata_and_arrays()
    {
        using var file = GgufFile.Open(Golden.RequireModel("SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"));
        Assert.Equal(272, file.Entries.Count);
        Assert.Equal("llama", file.Require<string>("general.architecture"));
        Assert.Equal(30, file.Integer("llama.block_count"));
        Assert.Equal(49152, file.Require<string[]>("tokenizer.ggml.tokens").Length);
        Assert.Equal(49152, file.Require<int[]>("tokenizer.ggml.token_type").Length);
        Assert.Equal([49152, 576], file.Entries["token_embd.weight"].Shape);
        Assert.Equal(210, file.Entries.Values.Count(entry => entry.Type == WeightType.Q4_1));
        Assert.Throws<HarnessException>(() => file.Require<string>("llama.block_count"));
    }

    [Fact]
    public void Shards_are_one_set_and_a_missing_one_is_named()
    {
        var source = Golden.Require("models", "qwen2_bf16_sharded");
        foreach (var file in Directory.GetFiles(source, "*.safetensors*").AtLeastOne())
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        using (var set = SafetensorsSet.Open(_folder))
        {
            Assert.Equal(WeightType.BF16, set.Entries["model.embed_tokens.weight"].Type);
            Assert.Equal(set.Entries["model.norm.weight"].Length, set.Bytes(set.Entries["model.norm.weight"]).Length);
        }

        var shard = Directory.GetFiles(_folder, "model-*.safetensors").Order().ElementAt(2);
        File.Delete(shard);
        Assert.Contains(Path.GetFileName(shard), Assert.Throws<HarnessException>(() => SafetensorsSet.Open(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_folder_holds_no_weights() =>
        Assert.Contains("model.safetensors", Assert.Throws<HarnessException>(() => SafetensorsSet.Open(_folder)).Message, StringComparison.Ordinal);

    private static IWeightFile Open(string path, string name) =>
        name.EndsWith(".gguf", StringComparison.Ordinal) ? GgufFile.Open(path) : SafetensorsFile.Open(path);
}
