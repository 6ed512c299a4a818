using RlHarness.Tests;

namespace RlHarness.Cli.Tests;

[Trait("kind", "contract")]
public class BadInputTests
{
    private const string Small = "name: t\noutput: out\ncorpus: { transcripts: 40, preference_pairs: 20 }\nevaluate: { queries: 2 }\n";

    [Fact]
    public void A_settings_file_that_is_missing()
    {
        using var folder = new TemporaryFolder();
        Harness.Run(folder.Path, "train", "none.yaml").Fails(2, "error: none.yaml: no such settings file", "found:", "expected:");
    }

    [Fact]
    public void Settings_of_wrong_types_and_unknown_keys_are_all_said_at_once_and_nothing_is_written()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.yaml", "seed: many\nrl:\n  learning_rat: 1\n  steps: 0\n");
        Harness
            .Run(folder.Path, "train", "a.yaml", "rl.gamma=2")
            .Fails(
                2,
                "4 problems",
                "a.yaml:1: seed: \"many\"; expected a whole number",
                "a.yaml:3: rl.learning_rat: unknown key",
                "a.yaml:4: rl.steps: 0; allowed: 1 to 1000000",
                "command line: rl.gamma: 2; allowed: 0 to 1"
            );
        Assert.Equal(["a.yaml"], Directory.GetFileSystemEntries(folder.Path).Select(p => Path.GetFileName(p)!));
    }

    [Fact]
    public void A_model_that_is_missing_and_nothing_is_written()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.yaml", Small);
        Harness.Run(folder.Path, "train", "a.yaml", "model.path=no-such-model", "device=cpu").Fails(3, "no-such-model is not there", "RLHARNESS_MODELS");
        Assert.False(Directory.Exists(folder.At("out", "t")));
    }

    [Fact]
    public void A_model_file_that_was_cut()
    {
        using var folder = new TemporaryFolder();
        var whole = Golden.Require("models", "llama");
        foreach (var file in Directory.GetFiles(whole))
            File.Copy(file, Path.Combine(Directory.CreateDirectory(folder.At("cut")).FullName, Path.GetFileName(file)));
        var weights = folder.At("cut", "model.safetensors");
        using (var stream = new FileStream(weights, FileMode.Open))
            stream.SetLength(stream.Length - 100);
        Harness.Run(folder.Path, "generate", "cut", "--prompt", "a", "--raw").Fails(3, "model.safetensors", "found:", "expected:");
        Harness.Run(folder.Path, "model", "inspect", "cut").Fails(3, "model.safetensors");
    }

    [Fact]
    public void A_file_that_is_no_model()
    {
        using var folder = new TemporaryFolder();
        folder.Write("photo.gguf", "not a model at all, only some words that are long enough to be read as a header");
        Harness.Run(folder.Path, "model", "inspect", "photo.gguf").Fails(3, "photo.gguf");
        Harness.Run(folder.Path, "generate", "photo.gguf", "--prompt", "a").Fails(3, "photo.gguf");
    }

    [Fact]
    public void A_run_folder_that_is_in_use_or_is_none()
    {
        using var folder = new TemporaryFolder();
        folder.Write("run/run.json", "{}");
        folder.Write("run/config.yaml", Small);
        using (new FileStream(folder.At("run", ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
        {
            Harness.Run(folder.Path, "resume", "run").Fails(5, "in use by another process");
            Harness.Run(folder.Path, "eval", "run").Fails(5, "in use by another process");
        }

        Harness.Run(folder.Path, "resume", "nothing").Fails(5, "not a run's folder");
        Harness.Run(folder.Path, "report", "nothing").Fails(3, "run.db");
    }

    [Fact]
    public void A_GPU_that_was_asked_for_and_is_not_there()
    {
        Assert.SkipWhen(Models.Native.Devices.CudaCount() > 0, "This machine has a GPU: run the test where there is none, or with CUDA_VISIBLE_DEVICES empty.");
        using var folder = new TemporaryFolder();
        folder.Write("a.yaml", Small);
        Harness.Run(folder.Path, "train", "a.yaml", "device=cuda").Fails(4, "device cuda was asked for and is not there", "docs/backends.md");
        Assert.False(Directory.Exists(folder.At("out")));
    }

    [Fact]
    public void A_command_line_that_does_not_parse()
    {
        using var folder = new TemporaryFolder();
        Harness.Run(folder.Path, "trian").Fails(2, "trian", "Try --help");
        Harness.Run(folder.Path, "generate", "m").Fails(2, "--prompt");
        Harness.Run(folder.Path, "generate", "m", "--prompt", "a", "--temperature", "-1").Fails(2, "--temperature is out of range", "0 to 100");
        Harness.Run(folder.Path, "eval", "m").Fails(2, "there is no --config");
    }

    [Fact]
    public void A_path_that_cannot_be_written_to()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.yaml", Small);
        folder.Write("out", "a file where a folder has to be");
        Harness.Run(folder.Path, "train", "a.yaml", "device=cpu").Fails(4, "out can't be written", "found:", "do:");
        Assert.StartsWith("a file", File.ReadAllText(folder.At("out")), StringComparison.Ordinal);
    }
}
