using System.Text;
using RlHarness.Tracking.Export;
using RlHarness.Tracking.Store;
using RlHarness.Tracking.TensorBoard;

namespace RlHarness.Tracking.Tests;

[Trait("kind", "contract")]
public sealed class TensorBoardLogTests : IDisposable
{
    private readonly string _run = Directory.CreateTempSubdirectory("rlharness-events-").FullName;
    private readonly Clock _clock = new();

    public void Dispose() => Directory.Delete(_run, recursive: true);

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 3, 1, 12, 0, 0, 250, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }

    private RunStore Open() => RunStore.Open(Path.Combine(_run, "run.db"), _clock);

    private string Rl => Path.Combine(_run, "tensorboard", "rl");

    private static StepBatch Step(long step, double value) => new("rl", step) { Metrics = new Dictionary<string, double> { ["objective/scores"] = value } };

    [Theory]
    [InlineData("", 0x00000000u)]
    [InlineData("123456789", 0xE3069283u)] // the check value of CRC-32C in every catalogue
    public void The_checksum_is_CRC_32C_rotated_by_15_and_shifted(string text, uint crc)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        Assert.Equal(crc, EventRecords.Crc32C(bytes));
        Assert.Equal(((crc >> 15) | (crc << 17)) + 0xa282ead8u, EventFile.MaskedCrc(bytes));
    }

    [Fact]
    public void The_checksum_of_bytes_from_RFC_3720_is_the_one_given_there()
    {
        // RFC 3720, B.4: 32 bytes of zeroes, of ones, and counting up.
        foreach (
            var (bytes, crc) in new[]
            {
                (new byte[32], 0x8A9136AAu),
                ([.. Enumerable.Repeat((byte)0xff, 32)], 0x62A8AB43u),
                ([.. Enumerable.Range(0, 32).Select(i => (byte)i)], 0x46DD794Eu),
            }
        )
            Assert.Equal(((crc >> 15) | (crc << 17)) + 0xa282ead8u, EventFile.MaskedCrc(bytes));
    }

    [Fact]
    public void A_file_begins_with_its_version_and_a_start_and_holds_times_steps_and_not_a_numbers()
    {
        const long Late = (1L << 40) + 1;
        using (var store = Open())
        using (var log = new TensorBoardLog(_run, store, _clock))
        {
            store.StartStage("rl");
            store.Commit(Step(Late, double.NaN));
            log.Append(Step(Late, double.NaN));
        }

        var events = EventRecords.Read(Assert.Single(Directory.GetFiles(Rl)));
        Assert.Equal("brain.Event:2", events[0].Version);
        Assert.Equal(1, events[1].Status);
        Assert.Equal(1772366400.25, events[0].Time);
        var value = Assert.Single(events.SelectMany(e => e.Items));
        Assert.Equal("objective/scores", value.Tag);
        Assert.True(float.IsNaN(value.Value!.Value));
        Assert.Equal(Late, events[^1].Step);
        Assert.Equal(1772366400.25, events[^1].Time);
    }

    [Fact]
    public void Steps_that_a_resume_does_again_do_not_show_and_one_that_was_not_written_does()
    {
        using (var store = Open())
        using (var log = new TensorBoardLog(_run, store, _clock))
        {
            store.StartStage("rl");
            for (var step = 0; step <= 5; step++)
            {
                _clock.Now += TimeSpan.FromSeconds(1.5);
                store.Commit(Step(step, step));
                // The process is killed between the two.
                if (step < 5)
                    log.Append(Step(step, step));
            }
        }

        // Resumed twice within a second: from step 5, whose event is missing, and from step 3.
        foreach (var (after, last, offset) in new[] { (5, 7, 100), (3, 6, 200) })
        {
            using var store = Open();
            store.DeleteAfter("rl", after);
            using var log = new TensorBoardLog(_run, store, _clock);
            log.Restart("rl", after);
            for (var step = after + 1; step <= last; step++)
            {
                store.Commit(Step(step, offset + step));
                log.Append(Step(step, offset + step));
            }
        }

        Assert.Equal(3, Directory.GetFiles(Rl).Length);
        var shown = EventRecords.Shown(Rl)["objective/scores"];
        Assert.Equal([(0, 0f), (1, 1f), (2, 2f), (3, 3f), (4, 204f), (5, 205f), (6, 206f)], shown.Select(s => ((int)s.Step, s.Value)));
        // A step that is written again keeps the time at which it was committed.
        var first = new DateTimeOffset(2026, 3, 1, 12, 0, 0, 250, TimeSpan.Zero).ToUnixTimeMilliseconds() / 1000.0;
        Assert.Equal(first + (1.5 * 4), shown[3].Time, 6);
    }

    [Fact]
    public void A_run_that_had_no_event_files_is_exported_with_texts_histograms_bounds_and_settings()
    {
        SyntheticRun.Write(_run, steps: 4, every: 2, queries: 10);
        File.WriteAllText(
            Path.Combine(_run, "run.json"),
            """{"seed": 7, "started": "2026-02-03T04:05:06Z", "changed_settings": {"rl.steps": "4", "cache": "false", "name": "<b>x</b>"}}"""
        );
        var hostile = "</code><script>alert(1)</script>\n# not a heading";
        using (var store = RunStore.Open(Path.Combine(_run, "run.db")))
        {
            var row = store.Transcripts(new TranscriptFilter(Limit: 1))[0] with
            {
                QueryId = "q-hostile",
                Split = Experiment.Prompts.Split.Train,
                AssistantText = hostile,
                Prompt = 0,
            };
            TranscriptRow[] rows =
            [
                .. new[] { 0.0, 1.0, 1.0, 4.0, double.NaN }.Select(
                    (r, i) =>
                        row with
                        {
                            Sample = i,
                            Step = 3,
                            Rewards = new Dictionary<string, double> { ["total"] = r },
                            TokenIds = [.. Enumerable.Range(0, i)],
                        }
                ),
            ];
            store.Commit(new StepBatch("rl", 3) { Transcripts = rows });
        }

        var folder = Path.Combine(_run, "events");
        RunExport.Write(_run, folder, "tensorboard");
        var written = RunExport.Write(_run, folder, "tensorboard").Paths;
        Assert.Equal(3, written.Count); // settings, end of the session, stage rl: the first export was replaced
        var shown = EventRecords.Shown(Path.Combine(folder, "rl"));
        Assert.Equal([0L, 1, 2, 3, 4], shown["objective/kl"].Select(s => s.Step));
        using (var store = RunStore.OpenReadOnly(Path.Combine(_run, "run.db")))
            Assert.Equal(store.Series("rl", "objective/kl").Select(s => (float)s.Value), shown["objective/kl"].Select(s => s.Value));

        var items = EventRecords.Read(Assert.Single(Directory.GetFiles(Path.Combine(folder, "rl")))).SelectMany(e => e.Items).ToArray();
        var rewards = items.Single(i => i.Tag.StartsWith("rewards/total/train/", StringComparison.Ordinal)).Histogram!;
        // Of 0, 1, 1, 4: NaN is left out.
        Assert.Equal([0, 4, 4, 6, 18], rewards[..5].Select(p => p[0]));
        Assert.Equal(30, rewards[5].Length);
        Assert.Equal(4.0, rewards[5][^1]);
        Assert.Equal((1.0, 2.0, 1.0), (rewards[6][0], rewards[6][7], rewards[6][29]));
        var text = items.First(i => i.Tag.StartsWith("transcripts/train/", StringComparison.Ordinal));
        Assert.Equal("text", text.Plugin);
        // Every line of it is indented: code, in which neither Markdown nor HTML counts.
        Assert.Contains("    </code><script>alert(1)</script>\n    # not a heading\n", text.Text, StringComparison.Ordinal);

        var session = Directory.GetFiles(folder).SelectMany(EventRecords.Read).SelectMany(e => e.Items).ToDictionary(i => i.Tag, i => i);
        Assert.Equal(["_hparams_/session_end_info", "_hparams_/session_start_info"], session.Keys.Order(StringComparer.Ordinal));
        Assert.All(session.Values, i => Assert.Equal("hparams", i.Plugin));
        // "rl.steps" as field 1 of a map's entry, and 4.0 as number_value (field 2) of its Value.
        byte[] steps = [0x0a, 8, .. "rl.steps"u8, 0x12, 9, 0x11, 0, 0, 0, 0, 0, 0, 0x10, 0x40];
        byte[] cache = [0x0a, 5, .. "cache"u8, 0x12, 2, 0x20, 0];
        Assert.True(session["_hparams_/session_start_info"].Content.AsSpan().IndexOf(steps) > 0);
        Assert.True(session["_hparams_/session_start_info"].Content.AsSpan().IndexOf(cache) > 0);
    }

    [Fact]
    public void Csv_has_every_metric_and_figure_and_quotes_what_needs_it()
    {
        SyntheticRun.Write(_run, steps: 2, every: 2, queries: 5);
        var folder = Path.Combine(_run, "csv");
        var paths = RunExport.Write(_run, folder, "csv").Paths.Select(Path.GetFileName);
        Assert.Equal(["transcripts.csv", "labels.csv", "metrics.csv", "summaries.csv"], paths);
        var metrics = File.ReadAllText(Path.Combine(folder, "metrics.csv")).Split("\r\n");
        Assert.Equal("stage,step,time,name,value", metrics[0]);
        using var store = RunStore.OpenReadOnly(Path.Combine(_run, "run.db"));
        Assert.Equal(store.Metrics().Count + 2, metrics.Length); // the header, and nothing after the last line's end
        Assert.Equal("\"a \"\"b\"\", c\"", CsvTable.Field("a \"b\", c"));
        Assert.Equal("", CsvTable.Field(double.NaN));
        Assert.Equal("0.1", CsvTable.Field(0.1));
    }
}
