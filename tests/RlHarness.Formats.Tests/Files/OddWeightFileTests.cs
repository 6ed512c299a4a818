using System.Diagnostics;
using System.Text;
using RlHarness.Core.Errors;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;

namespace RlHarness.Formats.Tests.Files;

/// <summary>GGUF files whose offsets lie, and things that are no files at the places of weights and tokenizers.</summary>
[Trait("kind", "contract")]
public sealed class OddWeightFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rlharness-odd-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>
    /// A GGUF file, version 3, of fp32 tensors of eight numbers and 32 bytes each, with 96 bytes of data, written by hand after ggml's docs/gguf.md.
    /// </summary>
    private string Gguf(uint? alignment, params ulong[] offsets)
    {
        var path = Path.Combine(_folder, "a.gguf");
        using var stream = File.Create(path);
        using var writer = new BinaryWriter(stream);
        void Text(string text)
        {
            writer.Write((ulong)text.Length);
            writer.Write(Encoding.UTF8.GetBytes(text));
        }

        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)offsets.Length);
        writer.Write(alignment is null ? 0UL : 1UL);
        if (alignment is { } value)
        {
            Text("general.alignment");
            writer.Write(4u); // uint32
            writer.Write(value);
        }

        for (var i = 0; i < offsets.Length; i++)
        {
            Text($"t{i}");
            writer.Write(1u); // one dimension
            writer.Write(8UL);
            writer.Write(0u); // F32
            writer.Write(offsets[i]);
        }

        writer.Flush();
        stream.SetLength((stream.Length + 31) / 32 * 32 + 96);
        return path;
    }

    [Fact]
    public void Tensors_one_behind_the_other_are_read()
    {
        using var file = GgufFile.Open(Gguf(null, 0, 32, 64));
        Assert.Equal(3, file.Entries.Count);
        Assert.Equal([32, 32], new[] { file.Entries["t1"].Offset - file.Entries["t0"].Offset, file.Entries["t2"].Offset - file.Entries["t1"].Offset });
    }

    [Theory]
    [InlineData(null, "lie over each other", new ulong[] { 0, 0, 0 })]
    [InlineData(null, "lie over each other", new ulong[] { 32, 0, 32 })]
    [InlineData(16u, "lie over each other", new ulong[] { 0, 16, 48 })]
    [InlineData(null, "does not begin at a multiple of general.alignment", new ulong[] { 0, 33, 64 })]
    [InlineData(64u, "does not begin at a multiple of general.alignment", new ulong[] { 0, 32 })]
    [InlineData(null, "lies outside the file", new ulong[] { 0, 96 })]
    [InlineData(null, "lies outside the file", new ulong[] { 0, ulong.MaxValue - 31 })]
    [InlineData(null, "lies outside the file", new ulong[] { 0, 1UL << 63 })]
    [InlineData(0u, "general.alignment is not a power of two", new ulong[] { 0 })]
    [InlineData(48u, "general.alignment is not a power of two", new ulong[] { 0 })]
    public void Offsets_that_cannot_be_are_refused_by_the_tensor_s_name(uint? alignment, string says, ulong[] offsets)
    {
        var path = Gguf(alignment, offsets);
        var error = Assert.Throws<HarnessException>(() => GgufFile.Open(path));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pipe")]
    [InlineData("device")]
    [InlineData("giant")]
    [InlineData("empty")]
    [InlineData("folder")]
    public async Task What_is_no_file_is_refused_by_each_reader_without_waiting_for_it_or_taking_memory(string kind)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("named pipes and /dev/zero are Linux's");
        foreach (
            var (name, read) in new (string, Action<string>)[]
            {
                ("model.safetensors", p => SafetensorsFile.Open(p).Dispose()),
                ("model.gguf", p => GgufFile.Open(p).Dispose()),
                ("config.json", p => SmallFile.ReadObject(p, "a config.json")),
                ("tokenizer.json", p => Tokenizer.Load(Path.GetDirectoryName(p)!)),
            }
        )
        {
            var path = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, kind + name)).FullName, name);
            switch (kind)
            {
                case "pipe":
                    using (var process = Process.Start("mkfifo", path))
                        process.WaitForExit();
                    break;
                case "device":
                    File.CreateSymbolicLink(path, "/dev/zero");
                    break;
                case "folder":
                    Directory.CreateDirectory(path);
                    break;
                default:
                    using (var stream = File.Create(path))
                        stream.SetLength(kind == "giant" ? 1L << 41 : 0);
                    break;
            }

            var allocated = 0L;
            // A reader that waits fails here, by time.
            await Task.Run(() =>
                {
                    var before = GC.GetAllocatedBytesForCurrentThread();
                    Assert.Equal(ErrorKind.BadFile, Assert.Throws<HarnessException>(() => read(path)).Kind);
                    allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                })
                .WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            Assert.InRange(allocated, 0, 64 << 20);
        }
    }

    [Theory]
    [InlineData("\"vocab\": {\"a\": 0, \"a\": 1}, \"merges\": []")]
    [InlineData("\"vocab\": {\"a\": 0}, \"vocab\": {\"b\": 0}, \"merges\": []")]
    public void A_tokenizer_whose_key_comes_twice_is_refused_by_the_key(string model)
    {
        var path = Path.Combine(_folder, "tokenizer.json");
        const string Rest = "\"decoder\": {\"type\": \"ByteLevel\"}, \"pre_tokenizer\": {\"type\": \"ByteLevel\"}";
        File.WriteAllText(path, $"{{\"model\": {{\"type\": \"BPE\", {model}}}, {Rest}}}");
        var error = Assert.Throws<HarnessException>(() => Tokenizer.Load(_folder));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains(model.StartsWith("\"vocab\": {\"a\": 0,", StringComparison.Ordinal) ? "'a'" : "'vocab'", error.Message, StringComparison.Ordinal);
    }
}
