using RlHarness.Core.Errors;
using RlHarness.Experiment.Detectors;
using RlHarness.Recipes.Detectors;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;

namespace RlHarness.Recipes.Tests.Stages;

/// <summary>Files of a run that were damaged, or written by somebody else: each is refused in words, or read as not there.</summary>
[Trait("kind", "contract")]
public sealed class OwnFileTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-own-");

    public void Dispose() => _root.Delete(recursive: true);

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("{\"step\": 1, \"policy_optimizer_steps\": 1, \"critic_optimizer_steps\": 1}")]
    [InlineData("{\"step\": -1, \"policy_optimizer_steps\": 1, \"critic_optimizer_steps\": 1, \"kl_coefficient\": 0.1}")]
    [InlineData("{\"step\": 1, \"policy_optimizer_steps\": -5, \"critic_optimizer_steps\": 1, \"kl_coefficient\": 0.1}")]
    [InlineData("{\"step\": 1, \"policy_optimizer_steps\": 1, \"critic_optimizer_steps\": 1, \"kl_coefficient\": 1e400}")]
    [InlineData("{\"step\": 99999999999, \"policy_optimizer_steps\": 1, \"critic_optimizer_steps\": 1, \"kl_coefficient\": 0.1}")]
    public void A_checkpoint_s_numbers_that_cannot_be_are_refused(string text)
    {
        File.WriteAllText(Path.Combine(_root.FullName, "state.json"), text);
        var error = Assert.Throws<HarnessException>(() => RlState.Read(_root.FullName));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("state.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_s_numbers_are_read_as_they_were_written()
    {
        var state = new RlState(12, 24, 48, 0.05);
        RlState.Write(_root.FullName, state);
        Assert.Equal(state, RlState.Read(_root.FullName));
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"Kind\":\"Perhaps\",\"Yes\":1,\"Text\":\"\",\"InputTokens\":1,\"OutputTokens\":1}")]
    [InlineData("{\"Kind\":\"7\",\"Yes\":1,\"Text\":\"\",\"InputTokens\":1,\"OutputTokens\":1}")]
    [InlineData("{\"Kind\":null,\"Yes\":1,\"Text\":\"\",\"InputTokens\":1,\"OutputTokens\":1}")]
    [InlineData("{\"Kind\":\"Answered\",\"Yes\":7,\"Text\":\"\",\"InputTokens\":1,\"OutputTokens\":1}")]
    [InlineData("{\"Kind\":\"Answered\",\"Yes\":\"-Infinity\",\"Text\":\"\",\"InputTokens\":1,\"OutputTokens\":1}")]
    [InlineData("{\"Kind\":\"Answered\",\"Yes\":1,\"Text\":\"\",\"InputTokens\":-1,\"OutputTokens\":1}")]
    public void An_answer_of_the_cache_that_cannot_be_is_asked_for_anew(string text)
    {
        var cache = new AnswerCache(_root.FullName);
        var entry = AnswerCache.Entry.Of(JudgeAnswer.Of(0.25), "Yes.", 10, 2);
        cache.Keep("abcd", entry);
        Assert.Equal(entry, cache.Find("abcd"));
        File.WriteAllText(Path.Combine(_root.FullName, "ab", "abcd.json"), text);
        Assert.Null(cache.Find("abcd"));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"started\": 7}")]
    [InlineData("{\"started\": \"yesterday\"}")]
    [InlineData("[]")]
    public void A_run_without_a_date_and_without_a_time_of_its_start_is_refused(string text)
    {
        File.WriteAllText(Path.Combine(_root.FullName, "run.json"), text);
        var error = Assert.Throws<HarnessException>(() => RunManifest.Dated(new RunSettings(), _root.FullName));
        Assert.Equal(ErrorKind.BadFile, error.Kind);
        Assert.Contains("run.json", error.Message, StringComparison.Ordinal);
    }
}
