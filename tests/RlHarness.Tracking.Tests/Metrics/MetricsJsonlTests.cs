using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Tracking.Metrics;
using RlHarness.Tracking.Store;

namespace RlHarness.Tracking.Tests.Metrics;

[Trait("kind", "contract")]
public sealed class MetricsJsonlTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File_ => _folder.At("metrics.jsonl");

    public void Dispose() => _folder.Dispose();

    private static Dictionary<string, double> One(double value) => new() { ["objective/kl"] = value, ["bad"] = double.NaN };

    [Fact]
    public void One_line_a_step_is_readable_at_once()
    {
        using var metrics = new MetricsJsonl(File_);
        metrics.Append("rl", 7, One(0.5));
        using var reader = new StreamReader(new FileStream(File_, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        using var line = JsonDocument.Parse(reader.ReadLine()!);
        Assert.Equal("rl", line.RootElement.GetProperty("stage").GetString());
        Assert.Equal(7, line.RootElement.GetProperty("step").GetInt64());
        Assert.Equal(0.5, line.RootElement.GetProperty("objective/kl").GetDouble());
        Assert.Equal(JsonValueKind.Null, line.RootElement.GetProperty("bad").ValueKind);
    }

    [Fact]
    public void A_zero_has_no_sign_so_that_a_line_that_is_rebuilt_is_the_same_line()
    {
        using var store = RunStore.Open(_folder.At("run.db"));
        using var metrics = new MetricsJsonl(File_, TimeProvider.System);
        var values = new Dictionary<string, double>
        {
            ["a"] = -0.0,
            ["b"] = 0,
            ["c"] = -1e-300,
        };
        store.Commit(new StepBatch("rl", 1) { Metrics = values });
        metrics.Append("rl", 1, values);
        static string Numbers(string line) => line[line.IndexOf("\"a\"", StringComparison.Ordinal)..];
        var written = Numbers(File.ReadAllText(File_));
        Assert.Equal("\"a\":0,\"b\":0,\"c\":-1E-300}\n", written);
        metrics.Rebuild(store);
        Assert.Equal(written, Numbers(File.ReadAllText(File_)));
    }

    [Fact]
    public void The_file_is_rebuilt_from_the_store_where_it_lacks_something_and_left_alone_where_it_does_not()
    {
        using var store = RunStore.Open(_folder.At("run.db"));
        using (var metrics = new MetricsJsonl(File_))
        {
            for (var step = 0; step < 3; step++)
            {
                store.Commit(new StepBatch("rl", step) { Metrics = One(step / 3.0) });
                metrics.Append("rl", step, One(step / 3.0));
            }

            var written = File.ReadAllText(File_);
            Assert.False(metrics.Mend(store));
            Assert.Equal(written, File.ReadAllText(File_));
        }

        var lines = File.ReadAllLines(File_);
        string[] damages =
        [
            string.Join('\n', lines[..2]) + "\n",
            string.Join('\n', lines)[..^10],
            lines[0] + "\n" + lines[1].Replace("0.33", "0.34", StringComparison.Ordinal) + "\n" + lines[2] + "\n",
        ];
        foreach (var damage in damages)
        {
            File.WriteAllText(File_, damage);
            using var metrics = new MetricsJsonl(File_);
            Assert.True(metrics.Mend(store));
            Assert.Equal(
                [0, 1 / 3.0, 2 / 3.0],
                File.ReadAllLines(File_).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("objective/kl").GetDouble())
            );
            Assert.False(metrics.Mend(store));
        }
    }

    [Fact]
    public void Replacing_a_step_changes_the_file_once_and_leaves_other_stages()
    {
        using var metrics = new MetricsJsonl(File_);
        metrics.Append("rl", 5, One(1));
        metrics.Append("evaluate", 4, One(2));
        metrics.Append("evaluate", 5, One(3));
        metrics.Replace("evaluate", 5, One(4));
        metrics.Append("evaluate", 6, One(5));
        Assert.Equal([1, 2, 4, 5], File.ReadAllLines(File_).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("objective/kl").GetDouble()));
    }

    [Fact]
    public void A_resume_removes_later_lines_of_its_stage_and_a_line_that_was_cut()
    {
        using (var metrics = new MetricsJsonl(File_))
        {
            metrics.Append("imitate", 9, One(1));
            for (var step = 0; step < 4; step++)
                metrics.Append("rl", step, One(step));
        }

        File.AppendAllText(File_, "{\"stage\":\"rl\",\"st");
        using (var metrics = new MetricsJsonl(File_))
        {
            metrics.TruncateAfter("rl", 1);
            metrics.Append("rl", 2, One(9));
        }

        Assert.Equal([9L, 0, 1, 2], File.ReadAllLines(File_).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("step").GetInt64()));
    }

    [Fact]
    public void A_cut_last_line_is_dropped_before_the_next_is_written()
    {
        File.WriteAllText(File_, "{\"stage\":\"rl\",\"step\":1}\n{\"stage\":\"r");
        using (var metrics = new MetricsJsonl(File_))
            metrics.Append("rl", 2, One(0));
        Assert.Equal(2, File.ReadAllLines(File_).Length);
    }

    [Fact]
    public void A_foreign_line_in_the_middle_is_named()
    {
        File.WriteAllText(File_, "hello\n{\"stage\":\"rl\",\"step\":1}\n");
        using var metrics = new MetricsJsonl(File_);
        Assert.Contains("line 1", Assert.Throws<HarnessException>(() => metrics.TruncateAfter("rl", 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_file_there_is_nothing_to_truncate()
    {
        using var metrics = new MetricsJsonl(File_);
        metrics.TruncateAfter("rl", 0);
        Assert.False(File.Exists(File_));
    }
}
