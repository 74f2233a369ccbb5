# What readers call, and where it lives. No module here may share its name with a function:
# importing the module would hide the function.
from .baselines import fit_frozen as fit_frozen
from .baselines import fit_tfidf as fit_tfidf
from .corpora.by_role import data as data
from .corpora.by_role import label_names as label_names
from .corpora.splitting import sample as sample
from .evidence.claims import claim as claim
from .evidence.claims import expect as expect
from .evidence.claims import show_claims as show_claims
from .evidence.recorded import recorded as recorded
from .evidence.side_by_side import measurements as measurements
from .metrics import mean_interval as mean_interval
from .metrics import prediction_interval as prediction_interval
from .metrics import wilson as wilson
from .pretrained.models import count_parameters as count_parameters
from .pretrained.models import load as load
from .pretrained.models import meta_model as meta_model
from .pretrained.models import weights_folder as weights_folder
from .profiles import by_profile as by_profile
from .profiles import start as start
from .subjects import adapters as adapters
from .subjects import architecture as architecture
from .subjects import bert_family as bert_family
from .subjects import distillation as distillation
from .subjects import entities as entities
from .subjects import forgetting as forgetting
from .subjects import learning_curves as learning_curves
from .subjects import lora as lora
from .subjects import multilingual as multilingual
from .subjects import pretraining as pretraining
from .subjects import probing as probing
from .subjects import probing_tasks as probing_tasks
from .subjects import strategies as strategies
from .training.batching import padding_shares as padding_shares
from .training.fit import fit as fit
from .training.prediction import evaluate as evaluate
from .training.prediction import predict as predict
from .training.settings import Settings as Settings
from .vectors import embed as embed
from .visuals import plots as plots
from .visuals.figure import show as show
from .visuals.tables import highlight as highlight
from .visuals.tables import show_mistakes as show_mistakes
from .visuals.tables import table as table
from .visuals.widgets import explore as explore

__version__: str
