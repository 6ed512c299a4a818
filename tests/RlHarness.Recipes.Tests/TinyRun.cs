using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using TorchSharp;

namespace RlHarness.Recipes.Tests;

/// <summary>A really small run in a folder of its own, with its corpus and its untrained model.</summary>
public sealed partial class TinyRun : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-run-");
    private readonly RunFolder _folder;

    public TinyRun()
        : this(Small("")) { }

    internal TinyRun(RunSettings settings)
    {
        settings = settings with { Output = _root.FullName };
        _folder = RunFolder.Create(_root.FullName, settings.Name, _ => new { }, "");
        Context = new RunContext(settings, _folder, new QuietProgress(), Serilog.Core.Logger.None, torch.CPU, TimeProvider.System, CancellationToken.None);
        Corpus = CorpusStage.Run(Context);
        Model = BaseModel.Open(Context, Corpus);
        Conversation = new Conversation(Model, TimeProvider.System);
    }

    public RunContext Context { get; }

    public CorpusStage.Corpus Corpus { get; }

    public LoadedModel Model { get; }

    public Conversation Conversation { get; }

    public void Dispose()
    {
        Model.Dispose();
        Context.Dispose();
        _folder.Dispose();
        _root.Delete(recursive: true);
    }
}
