using System.Diagnostics;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;

namespace RlHarness.Core.Tests.Files;

/// <summary>What lies at a path may be no file: nothing waits for a writer, reads for ever, or takes memory for what is not there.</summary>
[Trait("kind", "contract")]
public sealed class TextFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private sealed record Sample(int Count, string Name);

    public static TheoryData<string> Readers => ["settings", "manifest", "latest", "json", "lines"];

    [Theory]
    [MemberData(nameof(Readers))]
    public async Task A_pipe_a_device_a_folder_an_empty_file_and_a_sparse_giant_are_refused_before_they_are_read(string reader)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("named pipes and /dev/zero are Linux's");
        foreach (var kind in (string[])["pipe", "device", "folder", "empty", "giant"])
        {
            // A file of its own: "manifest.json" and "latest" have their names from their readers.
            var place = _folder.At($"{reader}-{kind}");
            Directory.CreateDirectory(Path.Combine(place, "step_000001"));
            File.WriteAllText(Path.Combine(place, "step_000001", CheckpointFolder.Manifest), "{}");
            var path = Path.Combine(
                place,
                reader == "manifest" ? CheckpointFolder.Manifest
                    : reader == "latest" ? CheckpointFolder.Latest
                    : "a"
            );
            Make(kind, path);
            Action act = reader switch
            {
                "settings" => () => SettingsReader.Read<Settings>(path, []),
                "manifest" => () => CheckpointFolder.Verify(place),
                "latest" => () => CheckpointFolder.Newest(place),
                "json" => () => TextFile.ReadJson<Sample>(path, "a sample", "write it again"),
                _ => () => TextFile.Lines(path, "lines"),
            };
            // A reader that looks for its file first may say that there is none where a folder lies.
            if (kind == "folder" && reader is "manifest" or "latest")
                continue;
            var allocated = 0L;
            // A reader that waits fails here, by time.
            await Task.Run(() =>
                {
                    var before = GC.GetAllocatedBytesForCurrentThread();
                    Assert.Throws<HarnessException>(act);
                    allocated = GC.GetAllocatedBytesForCurrentThread() - before;
                })
                .WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            Assert.InRange(allocated, 0, 64 << 20);
        }
    }

    private sealed record Settings
    {
        public int Count { get; init; }
    }

    private static void Make(string kind, string path)
    {
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
            case "empty":
                File.WriteAllText(path, "");
                break;
            default:
                using (var stream = File.Create(path))
                    stream.SetLength(1L << 41);
                break;
        }
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"Count\": 1}")]
    [InlineData("{\"Count\": 1, \"Name\": null}")]
    [InlineData("{\"Count\": 1e400, \"Name\": \"a\"}")]
    [InlineData("{\"Count\": 1, \"Count\": 2, \"Name\": \"a\"}")]
    [InlineData("{\"Count\": \"1\", \"Name\": \"a\"}")]
    [InlineData("{\"Count\": 1, \"Name\": \"\\ud800\"}")]
    [InlineData("{\"Count\": 1, \"Name\": \"a\"")]
    public void JSON_of_another_form_is_refused_by_the_file_s_name_and_what_was_expected(string text)
    {
        var path = _folder.Write("sample.json", text);
        var error = Assert.Throws<HarnessException>(() => TextFile.ReadJson<Sample>(path, "a sample", "write it again", TextFile.Strict(new())));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.StartsWith($"{path}: not a sample", error.Message, StringComparison.Ordinal);
        Assert.Contains("do:       write it again", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void JSON_as_it_was_written_is_read() =>
        Assert.Equal(
            new Sample(3, "a"),
            TextFile.ReadJson<Sample>(_folder.Write("a.json", JsonSerializer.Serialize(new Sample(3, "a"))), "a sample", "", TextFile.Strict(new()))
        );

    [Theory]
    [InlineData("{\"model.safetensors\": null}", "changed")]
    [InlineData("{\"model.safetensors\": 7}", "the manifest is cut or damaged")]
    [InlineData("[1]", "the manifest is cut or damaged")]
    [InlineData("null", "the manifest is cut or damaged")]
    public void A_manifest_that_holds_something_else_is_refused(string text, string says)
    {
        _folder.Write("run/model.safetensors", "weights");
        _folder.Write("run/manifest.json", text);
        Assert.Contains(says, Assert.Throws<HarnessException>(() => CheckpointFolder.Verify(_folder.At("run"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a: {", "}", 20_000)]
    [InlineData("a: [", "]", 20_000)]
    [InlineData("- ", "", 20_000)]
    [InlineData("? ", "", 20_000)]
    [InlineData("indentation", "", 2_000)]
    public void Settings_nested_without_end_are_refused_and_end_no_process(string open, string close, int depth)
    {
        var text =
            open == "indentation"
                ? string.Concat(Enumerable.Range(0, depth).Select(i => new string(' ', i) + "a:\n"))
                : string.Concat(Enumerable.Repeat(open, depth)) + string.Concat(Enumerable.Repeat(close, depth));
        var path = _folder.Write("deep.yaml", text);
        Assert.Equal(ErrorKind.BadInput, Assert.Throws<HarnessException>(() => SettingsReader.Read<Settings>(path, [])).Kind);
    }
}
